"""Which sources the code stamp covers, and which changes of them it sees."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tempo.core import code_stamp as code
from tempo.core.code_stamp import (
    CACHE,
    DECIDING,
    ENTRY,
    NOT_DECIDING,
    code_stamp,
    stamp_of,
    stamped,
    stamped_modules,
)
from tempo.core.provenance import PACKAGE

from .conftest import Make

Change = Callable[[str, str, str], None]

LOADED = """
import sys
from importlib import import_module
from pathlib import Path
from tempo.train.run.run_folder import run

assert run(Path(sys.argv[1]), Path(sys.argv[2])) == 0
print(*(m for m in sys.modules if m.split(".")[0] == "tempo"), sep="\\n")
print("lazily")
import torch
from tempo.data.open_dataset import DATASET_MODULES
from tempo.metrics.references import REFERENCES
for method in REFERENCES.values():
    method(torch.rand(1, 2, 3, 32, 32), torch.tensor([[0.0, 1.0]]), torch.tensor([0.5]))
for options in DATASET_MODULES.options:
    if options in DATASET_MODULES:
        import_module(DATASET_MODULES._entries.get(options))
print(*(m for m in sys.modules if m.split(".")[0] == "tempo"), sep="\\n")
"""


def file_of(module: str) -> str:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    package = path / "__init__.py"
    source = package if package.is_file() else path.with_suffix(".py")
    return source.relative_to(PACKAGE).as_posix()


def within(name: str, folders: object) -> bool:
    """Whether a module is one of `folders` or in one of them."""
    path = Path(name)
    return bool({each.as_posix() for each in (path, *path.parents)} & set(folders))  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def loaded(undisturbed: Make, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The package's modules that a worker has after a run, with all data sets and references."""
    folder = tmp_path_factory.mktemp("loaded") / "runs" / "a"
    folder.mkdir(parents=True)
    shutil.copy(undisturbed() / "run.json", folder)
    command = [sys.executable, "-c", LOADED, str(folder), str(cache)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_every_module_that_a_worker_executes_is_stamped_or_left_out_by_name(
    loaded: list[str],
) -> None:
    stamped = set(stamped_modules())
    ran = {file_of(module) for module in loaded[: loaded.index("lazily")]}
    computing = {name for name in ran if within(name, DECIDING)}
    assert len(computing) > 50
    assert {n for n in computing if n not in stamped and not within(n, NOT_DECIDING)} == set()


ON_A_GPU = {"kernels/group_norm_programs.py", "kernels/sums_programs.py"}
"""What only a worker with a GPU loads: the programs that Triton compiles for it."""


def test_nothing_is_stamped_that_no_worker_loads(loaded: list[str]) -> None:
    may_run = {file_of(module) for module in loaded if module != "lazily"}
    stamped = stamped_modules()
    assert set(stamped) - may_run == ON_A_GPU
    assert {ENTRY, "data/datasets/x4k1000fps.py", "backbones/vgg_network.py"} <= set(stamped)
    assert not [name for name in stamped if within(name, NOT_DECIDING)]
    assert not [name for name in stamped if not within(name, DECIDING)]


def test_what_is_left_out_is_there_and_a_worker_loads_it(loaded: list[str]) -> None:
    ran = {file_of(module) for module in loaded if module != "lazily"}
    for name, reason in NOT_DECIDING.items():
        assert reason and any(within(each, [name]) for each in ran), name


# --- changes ---------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's sources."""
    copy = tmp_path / "tempo"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.html", "*.js"))
    return copy


@pytest.fixture
def change(package: Path) -> Change:
    def changed(name: str, old: str, new: str) -> None:
        text = (package / name).read_text()
        assert old in text
        (package / name).write_text(text.replace(old, new))

    return changed


def test_comments_docstrings_and_formatting_change_no_stamp(package: Path, change: Change) -> None:
    before = stamp_of(package)
    assert before == code_stamp() and re.fullmatch("[0-9a-f]{16}", before)
    change("losses/reconstruction.py", '"""Compute', '"""Something else. Compute')
    change("train/optim/averaging.py", "decay = min(", "# why not?\n        decay  =  min(")
    for name in ("losses/reconstruction.py", "train/optim/trainer.py", "data/datasets/vimeo90k.py"):
        path = package / name
        path.write_text(ast.unparse(ast.parse(path.read_text())))
    assert stamp_of(package) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train/optim/averaging.py", "(10 + step)", "(11 + step)"),
        ("train/evaluation/clip_evaluation.py", "1 << 20", "1 << 21"),
        ("data/datasets/vimeo90k.py", "import", "import antigravity\nimport"),
        ("core/seeding.py", "int", "float"),
    ],
)
def test_a_change_that_decides_something_changes_the_stamp(
    package: Path, change: Change, name: str, old: str, new: str
) -> None:
    before = stamp_of(package)
    text = (package / name).read_text()
    (package / name).write_text(
        text[: text.rindex(old)] + new + text[text.rindex(old) + len(old) :]
    )
    assert stamp_of(package) != before


@pytest.mark.parametrize(
    "name", ["train/run/system_metrics.py", "data/testsets/video_sets.py", "report/document.py",
             "train/hardware/calibration.py"]
)  # fmt: skip
def test_a_change_that_decides_nothing_changes_no_stamp(package: Path, name: str) -> None:
    before = stamp_of(package)
    with (package / name).open("a") as file:
        file.write("\nMORE = 1\n")
    assert stamp_of(package) == before


def test_the_remembered_stamp_is_that_of_the_sources(package: Path, change: Change) -> None:
    first = stamp_of(package)
    kept = json.loads((package / CACHE).read_text())
    assert kept["stamp"] == first and kept["modules"].keys() == {*stamped_modules(package)}
    damages = [
        "damaged",
        "[]",
        json.dumps({**kept, "stamp": "0"}),
        json.dumps({**kept, "stamp": 7}),
        json.dumps({**kept, "modules": []}),
        json.dumps({**kept, "modules": {**kept["modules"], "train/run/attempt.py": None}}),
    ]
    for damaged in damages:
        (package / CACHE).write_text(damaged)
        assert stamped(package) == (first, kept["modules"])
    change("losses/reconstruction.py", '"ortho"', '"forward"')
    second = stamp_of(package)
    assert second != first
    change("losses/reconstruction.py", '"forward"', '"ortho"')
    assert stamp_of(package) == first


def test_sources_are_parsed_once_as_long_as_they_stay_the_same(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stamped(package)

    def unwanted(*args: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(code, "_reached", unwanted)
    assert stamped(package) == before


def test_a_syntax_tree_reads_the_same_in_every_version_of_python() -> None:
    source = '"""Doc."""\ndef f(x: T = 1e-3):\n    """Doc."""\n    return f"{x:.{2}f}s"\n'
    text = "".join(code.tokens(ast.parse(source)))
    assert text == (
        "(Module body=[(FunctionDef name='f' args=(arguments args=[(arg arg='x' annotation="
        "(Name id='T' ctx=(Load)))] defaults=[(Constant value=0.001)]) body=[(Return value="
        "(JoinedStr values=[(FormattedValue value=(Name id='x' ctx=(Load)) conversion=-1 "
        "format_spec=(JoinedStr values=[(Constant value='.')(FormattedValue value=(Constant "
        "value=2) conversion=-1)(Constant value='f')]))(Constant value='s')]))])])"
    )
