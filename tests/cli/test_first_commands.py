"""What a newcomer types first: `init`, `schema`, `completion`, typing errors, a bare Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tempo.cli.main import COMMANDS, main
from tempo.spec.json_schema import study_schema
from tempo.workflow.project import schema_text

from .conftest import ROOT


def test_a_bare_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert [name for name in COMMANDS if not re.search(rf"^    {name}\b", printed.out, re.M)] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plna"], "unknown command 'plna'; did you mean 'plan'?"),
        (["data", "prepar"], "unknown command 'prepar'; did you mean 'prepare'?"),
        (["search", "shwo", "x"], "unknown action 'shwo'; did you mean 'show'?"),
        (["run", "s.yaml", "--recrods", "x"], "tempo run has no option --recrods; did you mean "),
        (["run", "s.yaml", "--launcher", "slrum"], "did you mean 'slurm'?"),
        (["plan", "s.yaml", "other.yaml"], "nothing takes the word 'other.yaml'"),
        (["run"], "the following arguments are required: SPEC"),
        (["completion", "fish"], "(known: bash, zsh)"),
    ],
)
def test_a_mistyped_word_is_answered_in_two_lines(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: ") and said in lines[0]
    assert re.fullmatch(r"All options: tempo.* --help", lines[1])
    assert len(lines) == 2


@pytest.mark.parametrize("script", ["run_experiment.py", "compare.py"])
def test_a_python_without_the_packages_says_what_to_do(script: str, tmp_path: Path) -> None:
    """`-S` leaves out the installed packages, as another Python would."""
    for name in (script, "Makefile"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tempo").symlink_to(ROOT / "tempo")
    shutil.copytree(ROOT / "tempo", tmp_path / "own" / "tempo")
    shutil.copy(ROOT / script, tmp_path / "own")
    shutil.copy(ROOT / "Makefile", tmp_path / "own")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def told() -> str:
        done = subprocess.run(
            [sys.executable, "-S", script, "x"],
            cwd=tmp_path / "own",
            env=environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr

    before = told()
    assert before.startswith(f"error: {sys.executable} has no package '")
    assert f"make -C {tmp_path / 'own'} install" in before
    python = tmp_path / "own/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    after = told()
    assert f"  {python} {script} x" in after
    assert "install it" not in after.lower()


def test_init_writes_a_study_that_runs_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine"]) == 0
    said = capsys.readouterr().out
    assert "wrote mine/study.yaml" in said and "  cd mine" in said
    before = {path.name: path.read_bytes() for path in Path("mine").iterdir()}
    assert set(before) == {"README.md", "own_block.py", "study.yaml", "study.schema.json"}
    assert main(["init", "mine"]) == 2
    refused = capsys.readouterr().err
    assert "mine/README.md" in refused and "nothing is overwritten" in refused
    assert {path.name: path.read_bytes() for path in Path("mine").iterdir()} == before
    # One file that is there is enough to write none.
    Path("other").mkdir()
    Path("other/study.yaml").write_text("mine")
    assert main(["init", "other"]) == 2
    assert [path.name for path in Path("other").iterdir()] == ["study.yaml"]
    Path("file").write_text("")
    assert main(["init", "file/below"]) == 2
    assert "file is a file" in capsys.readouterr().err

    monkeypatch.chdir("mine")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tempo.cli.main", "run", "study.yaml"),
            *("--profile", "smoke", "--mlflow", "off"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    page = Path("reports/first_study/index.html").read_text()
    assert "tempo run study.yaml --profile smoke" in page
    assert "run_experiment.py" not in page
    # What the notes say to type is a command that there is.
    notes = Path("README.md").read_text()
    commands = re.findall(r"tempo (\w+)", notes)
    assert commands and set(commands) <= set(COMMANDS)


def test_init_copies_the_specs_that_ship_and_they_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--specs", str(tmp_path / "specs")]) == 0
    capsys.readouterr()
    for folder in ("experiments", "ablations"):
        ours = {path.name for path in (ROOT / folder).glob("*.yaml")}
        assert {path.name for path in (tmp_path / "specs" / folder).iterdir()} == ours
    copied = tmp_path / "specs/ablations/se_dilation.yaml"
    assert "run_experiment.py" not in copied.read_text()
    schema = copied.read_text().splitlines()[0].partition("$schema=")[2]
    assert json.loads((copied.parent / schema).read_text()) == study_schema()
    assert main(["plan", str(copied), "--profile", "smoke"]) == 0


def test_schema_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == study_schema()
    path = tmp_path / "new" / "study.schema.json"
    assert main(["schema", "--out", str(path)]) == 0
    assert json.loads(path.read_text()) == study_schema()


def completed(script: Path, words: str, folder: Path) -> set[str]:
    """What bash offers for the last word of a command line."""
    ask = (
        f"source {script}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        'COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; '
        "COMPREPLY=(); $(complete -p tempo | sed 's/.*-F \\([^ ]*\\).*/\\1/') tempo; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", ask], cwd=folder, capture_output=True, text=True)
    return {line.strip() for line in done.stdout.splitlines()}


def test_bash_completes_commands_options_choices_and_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "tempo.bash"
    script.write_text(capsys.readouterr().out)
    (tmp_path / "study.yaml").write_text("")
    assert completed(script, "tempo pl", tmp_path) == {"plan"}
    assert completed(script, "tempo run --reco", tmp_path) == {"--records"}
    assert completed(script, "tempo run --launcher sl", tmp_path) == {"slurm"}
    assert "study.yaml" in completed(script, "tempo run stu", tmp_path)


def test_zsh_gets_a_script_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    script = capsys.readouterr().out
    assert script.startswith("#compdef tempo")
    assert [name for name in COMMANDS if name not in script] == []


@pytest.mark.slow
def test_a_wheel_carries_the_specs_and_the_project(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("tempo", "experiments", "ablations"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, tree)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"),
            *("--wheel-dir", str(tmp_path), str(tree)),
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "installed")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    for words in (["--specs", "specs"], ["project"]):
        subprocess.run(
            [sys.executable, "-m", "tempo.cli.main", "init", *words],
            cwd=tmp_path,
            env=environment,
            check=True,
        )
    shipped = {path.name for path in (ROOT / "ablations").glob("*.yaml")}
    assert {path.name for path in (tmp_path / "specs/ablations").iterdir()} == shipped
    assert (tmp_path / "project/study.yaml").exists()
    assert (tmp_path / "project/own_block.py").exists()


def test_a_mistyped_option_of_the_program_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--versoin"])
    assert caught.value.code == 2
    assert "tempo has no option --versoin; did you mean --version?" in capsys.readouterr().err


def test_the_nearest_spec_of_the_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "se_dilation.yaml").write_text("")
    assert main(["plan", str(tmp_path / "se_dilaton.yaml")]) == 2
    assert f"did you mean {tmp_path / 'se_dilation.yaml'}?" in capsys.readouterr().err


def test_the_schema_of_a_new_project_knows_its_block(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "new")]) == 0
    assert '"depthwise"' in (tmp_path / "new" / "study.schema.json").read_text()
    assert '"depthwise"' not in schema_text()
