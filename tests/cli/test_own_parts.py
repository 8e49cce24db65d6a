"""A researcher's own parts beside an installed Tempo: from an empty folder to the report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.docs.blocks import blocks

from .conftest import ROOT, Folder

PAGE = ROOT / "docs" / "how-to" / "own_parts.md"
EXAMPLE = ROOT / "examples" / "own_network"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `tempo` of a fresh virtual environment with the built wheel, no checkout."""
    root = tmp_path_factory.mktemp("installed")
    tree = root / "tree"
    tree.mkdir()
    for name in ("tempo", "experiments", "ablations"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, tree)
    pip = [sys.executable, "-m", "pip"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(root)]
    subprocess.run([*wheel, str(tree)], check=True, capture_output=True)
    (built,) = root.glob("*.whl")
    home = root / "environment"
    venv.create(home, symlinks=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(own), str(built)],
        check=True,
        capture_output=True,
    )
    # What Tempo depends on is that of this environment; torch is not installed twice.
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    program = home / "bin" / "tempo"
    program.write_text(
        f"#!{home / 'bin' / 'python'}\n"
        "import sys\nfrom tempo.cli.main import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    return program


def run(program: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(program), *words],
        cwd=folder,
        env={**environment, "COLUMNS": "160", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.slow
def test_own_parts_go_from_an_empty_folder_to_the_report(installed: Path, tmp_path: Path) -> None:
    """A block, a loss, a metric and a network, each in a file of the user."""
    where = subprocess.run(
        [str(installed.parent / "python"), "-c", "import tempo; print(tempo.__file__)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert str(installed.parents[1]) in where.stdout, "the wheel, not the checkout"
    assert run(installed, tmp_path, "init", ".").returncode == 0
    assert (tmp_path / "own_block.py").is_file()
    started = run(installed, tmp_path, "plan", "study.yaml", "--profile", "smoke")
    assert "arch.block=depthwise" in started.stdout, started.stderr
    for block in blocks(PAGE):
        if block.title is not None:
            (tmp_path / block.title).write_text(block.text)
    plan = run(installed, tmp_path, "plan", "own_parts.yaml", "--profile", "smoke", "--counts")
    assert plan.returncode == 0, plan.stderr
    for text in ("arch.block=depthwise", "recipe.loss=huber", "arch=my_net:Small(width=16)"):
        assert text in plan.stdout
    done = run(
        installed, tmp_path, "run", "own_parts.yaml", "--profile", "smoke", "--mlflow", "off"
    )
    assert done.returncode == 0, done.stderr
    compared = run(installed, tmp_path, "compare", "own_parts")
    assert compared.returncode == 0, compared.stderr
    assert "worst pixel" in compared.stdout and "chose on validation by SSIM" in compared.stdout
    page = (tmp_path / "reports/own_parts/index.html").read_text()
    for text in ("our block", "our loss", "our network", "worst pixel"):
        assert text in page
    again = run(installed, tmp_path, "plan", "own_parts.yaml", "--profile", "smoke")
    assert "6 runs, 6 complete" in again.stdout
    # Another network makes its own results stale, and no others.
    net = tmp_path / "my_net.py"
    net.write_text(net.read_text().replace("nn.GELU()", "nn.ReLU()"))
    changed = run(installed, tmp_path, "plan", "own_parts.yaml", "--profile", "smoke")
    assert "6 runs, 5 complete, 1 stale" in changed.stdout
    compared = run(installed, tmp_path, "compare", "own_parts", "--no-report")
    said = " ".join(compared.stdout.split())
    assert "May change: our network s0 was made by other code of plug-ins, and shown" in said


@pytest.mark.slow
def test_an_installed_package_offers_its_parts_to_every_study(
    installed: Path, tmp_path: Path
) -> None:
    own = next((installed.parents[1] / "lib").glob("python*")) / "site-packages"
    package = own / "offered_parts"
    package.mkdir()
    code = next(b.text for b in blocks(PAGE) if b.title == "my_block.py")
    (package / "__init__.py").write_text(code.replace("depthwise", "offered"))
    facts = own / "offered_parts-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: offered-parts\nVersion: 1.2\n")
    (facts / "entry_points.txt").write_text("[tempo.plugins]\nparts = offered_parts\n")
    try:
        run(installed, tmp_path, "init", ".")
        words = ("plan", "study.yaml", "--set", "arch.block=offered")
        found = run(installed, tmp_path, *words)
        assert found.returncode == 0, found.stderr
        (package / "__init__.py").write_text("import nowhere_to_be_found\n")
        failed = run(installed, tmp_path, *words)
        assert failed.returncode == 2
        assert failed.stderr.startswith("error: offered-parts offers Tempo a plug-in that fails: ")
    finally:
        shutil.rmtree(package)
        shutil.rmtree(facts)


def test_the_worked_example_is_short() -> None:
    """Adapter and spec together: what one writes for a network that is there already."""
    code = (EXAMPLE / "cain.py").read_text()
    adapter = re.search(r"^class CainLike.*", code, re.DOTALL | re.MULTILINE)
    assert adapter is not None
    lines = [*adapter[0].splitlines(), *(EXAMPLE / "study.yaml").read_text().splitlines()]
    assert len([line for line in lines if line.strip()]) <= 40


@pytest.mark.slow
def test_the_worked_example_is_trained_beside_v2(folder: Folder) -> None:
    for file in ("cain.py", "study.yaml"):
        shutil.copy(EXAMPLE / file, folder.path)
    words = ("study.yaml", "--profile", "smoke", "--mlflow", "off", "--set", "laws=error")
    done = folder.run("run_experiment.py", *words)
    assert done.returncode == 0, done.stderr
    plan = json.loads((folder.records / "studies/own_network/plans/smoke.json").read_text())
    used = {
        each["name"]: [p["name"] for p in each["config"]["plugins"]] for each in plan["variants"]
    }
    assert used == {"V2": [], "CAIN-like": ["cain"], "average": [], "nearest": []}
    assert "CAIN-like" in (folder.path / "reports/own_network/index.html").read_text()


@pytest.mark.slow
def test_a_broken_law_is_a_warning_or_an_error_by_the_specs_choice(folder: Folder) -> None:
    shutil.copy(EXAMPLE / "study.yaml", folder.path)
    code = (EXAMPLE / "cain.py").read_text()
    (folder.path / "cain.py").write_text(re.sub(r"    exempt = .*\n", "", code))
    words = ("study.yaml", "--profile", "smoke", "--mlflow", "off")
    refused = folder.run("run_experiment.py", *words, "--set", "laws=error")
    assert refused.returncode == 2
    sentence = (
        "variant 'CAIN-like': the network cain:CainLike breaks the law 'reversal': the clip "
        "backwards in time gives another picture"
    )
    assert sentence in refused.stderr and "nothing was trained" in refused.stderr
    assert not (folder.records / "runs").exists()
    warned = folder.run("run_experiment.py", *words)
    assert warned.returncode == 0
    assert f"warning: {sentence}" in warned.stdout + warned.stderr


def test_the_worked_example_takes_at_most_40_lines() -> None:
    """Counted as its user writes them: the adapter of the network, and the study."""
    folder = ROOT / "examples" / "own_network"
    code = (folder / "cain.py").read_text()
    adapter = code[code.index("class CainLike") :].splitlines()
    spec = (folder / "study.yaml").read_text().splitlines()
    assert 10 < len([line for line in (*adapter, *spec) if line.strip()]) <= 40
