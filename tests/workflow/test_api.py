"""The public API: a tour through a study, the numbers of the command line, the documentation."""

from __future__ import annotations

import csv
import doctest
import inspect
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tempo

from .conftest import ROOT

Toured = tuple[Path, dict[str, Any]]


def _compare(folder: Path, *words: str) -> str:
    """What `compare.py` prints of the toured study."""
    command = [sys.executable, str(ROOT / "compare.py"), "v2_to_v3", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_tour_of_the_whole_api_runs_in_a_script_without_a_main_guard(toured: Toured) -> None:
    folder, told = toured
    assert told["states"][0] == "planned" and told["priced"]
    assert told["hours"] > 0 and all(count > 0 for count in told["parameters"])
    assert set(told["status"]) == {"complete"}
    assert told["studies"] == ["v2_to_v3"] and told["baseline"] == "V2"
    assert {run["status"] for run in told["runs"]} == {"complete"}
    assert {each["split"] for each in told["metrics"]} == {"train", "val", "test"}
    assert Path(told["page"]).is_file() and (folder / "reports" / "v2_to_v3").is_dir()
    assert told["verdict"][0] == "inconclusive" and told["verdict"][1]
    assert all(width > 1 for width in told["figure"])
    assert "unknown profile 'nonsense'" in told["refused"]


def test_the_table_equals_what_the_command_line_prints_to_the_last_digit(toured: Toured) -> None:
    folder, told = toured
    printed = list(csv.DictReader(io.StringIO(_compare(folder, "--csv"))))
    table = list(csv.DictReader(io.StringIO(told["table"])))
    assert len(printed) == len(table) > 4
    for theirs, ours in zip(printed, table, strict=True):
        assert theirs.keys() == ours.keys()
        for name, text in theirs.items():
            assert _same(text, ours[name]), (name, text, ours[name])


@pytest.mark.slow
def test_a_page_tells_how_far_weights_are_apart_when_asked(toured: Toured, tmp_path: Path) -> None:
    folder, _ = toured
    found = json.loads(_compare(folder, "--weights", "--json"))["from_baseline"]
    pairs = tempo.diff("V2", "V3", records=folder / "records").weights()
    (apart,) = [each["weights"] for each in found if each["after"]["name"] == "V3"]
    assert [each["pair"] for each in apart] == pairs["pair"].tolist() == ["s0", "s1"]
    assert [each["relative"] for each in apart] == pairs["relative"].tolist()
    comparison = tempo.compare("v2_to_v3", records=folder / "records")
    page = comparison.with_weights().report(tmp_path).read_text()
    assert page.count("weights of s0 apart by") == len(found) > 1
    assert f"{100 * apart[0]['relative']:.3g} % of their norm" in page
    assert "apart by" not in comparison.report(tmp_path / "without").read_text()


def _same(text: str, other: str) -> bool:
    """Equal texts, or texts of the very same number."""
    try:
        return text == other or float(text) == float(other)
    except ValueError:
        return False


def test_contrasts_and_curves_equal_the_json_of_the_command_line(toured: Toured) -> None:
    folder, told = toured
    whole = json.loads(_compare(folder, "--json"))
    printed = [c for row in whole["rows"] for c in row["contrasts"].values()]
    assert len(printed) == len(told["contrasts"]) > 0
    for theirs, ours in zip(printed, told["contrasts"], strict=True):
        assert (theirs["variant"], theirs["metric"]) == (ours["variant"], ours["metric"])
        assert theirs["difference"]["value"] == ours["difference"]
        assert theirs["difference"]["low"] == _known(ours["low"])
        assert theirs["p_adjusted"] == _known(ours["p_adjusted"])
        assert theirs["verdict"]["word"] == ours["verdict"]
    curves = [*whole["curves"], *whole["health"]]
    points = [
        (c["variant"], c["name"], s, m)
        for c in curves
        for s, m in zip(c["steps"], c["mean"], strict=True)
    ]
    assert points == [(c["variant"], c["name"], c["step"], c["mean"]) for c in told["curves"]]


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def test_clip_values_average_to_the_table(toured: Toured) -> None:
    _, told = toured
    by_run: dict[str, list[float]] = {}
    for row in told["clips"]:
        by_run.setdefault(row["run_id"], []).append(row["psnr"])
    known = {run["run_id"]: run["psnr"] for run in told["runs"]}
    assert by_run.keys() == known.keys()
    for run_id, values in by_run.items():
        assert sum(values) / len(values) == pytest.approx(known[run_id], abs=1e-9)


def test_importing_the_package_loads_nothing_but_itself() -> None:
    """Its time is measured in benchmarks/start_up.py; here is what makes the time short."""
    code = "import sys, tempo\n"
    code += "heavy = {'torch', 'pandas', 'mlflow', 'optuna', 'pydantic', 'numpy', 'yaml'}\n"
    code += "print(sorted(m for m in sys.modules if m.startswith('tempo')), heavy & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "['tempo', 'tempo.core', 'tempo.core.version'] set()"


def test_functions_stay_functions_whatever_else_was_imported() -> None:
    """A submodule that is imported becomes an attribute of its package, under its own name."""
    code = "import tempo, pkgutil, importlib\n"
    code += "for each in pkgutil.walk_packages(tempo.__path__, 'tempo.'):\n"
    code += "    if not each.name.endswith('__main__'): importlib.import_module(each.name)\n"
    code += "import types\n"
    code += "print([n for n in tempo.__all__ if isinstance(getattr(tempo, n), types.ModuleType)])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


PUBLIC = [
    "__version__",
    "load_study",
    "Study",
    "StudyPlan",
    "RunOptions",
    "Outcome",
    "Status",
    "Observer",
    "SilentObserver",
    "open_records",
    "Records",
    "Run",
    "compare",
    "Comparison",
    "Verdict",
    "diff",
    "Diff",
    "evaluate",
    "Evaluations",
    "bench",
    "Latencies",
    "verify_card",
    "CardCheck",
    "import_runs",
    "search",
    "SearchResult",
    "interpolate_video",
    "interpolate_pictures",
    "prepare_data",
    "describe_data",
    "watch",
    "LivePage",
    "disk_use",
    "DiskUse",
    "clean",
    "Cleaning",
    "init_project",
    "doctor",
    "Diagnosis",
    "notify",
    "check_part",
    "PartCheck",
    "study_schema",
    "TempoError",
    "SpecError",
    "UnknownNameError",
    "MissingError",
    "PluginError",
    "RecordError",
    "RunError",
    "StoppedError",
]
DOCUMENTED = [n for n in PUBLIC if n != "__version__" and not n.endswith("Error")]


def test_the_public_names_are_these() -> None:
    assert tempo.__all__ == PUBLIC
    assert {*PUBLIC} <= {*dir(tempo)}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tempo.nonsense


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_public_name_is_documented_with_an_example(name: str) -> None:
    found = getattr(tempo, name)
    text = inspect.getdoc(found) or ""
    assert text and doctest.DocTestParser().get_examples(text), f"{name} has no example"
    assert "# doctest: +SKIP" not in text
    for member, value in vars(found).items() if inspect.isclass(found) else ():
        if not member.startswith("_") and callable(value):
            assert inspect.getdoc(value), f"{name}.{member} has no docstring"


def test_the_examples_of_public_names_print_what_they_say(sandbox: Path) -> None:
    """All in one process, in a folder with the shipped specs and the records of one study."""
    code = f"""
import doctest, inspect, sys
import tempo

failed = 0
for name in {DOCUMENTED!r}:
    found = getattr(tempo, name)
    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner()
    for test in finder.find(found, name, module=False):
        runner.run(test)
    failed += runner.failures
sys.exit(bool(failed))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=sandbox,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_examples_of_the_documentation_print_what_it_says(sandbox: Path) -> None:
    folder = sandbox / "page"
    folder.mkdir()
    for name in ("ablations", "experiments"):
        (folder / name).symlink_to(sandbox / name)
    code = "import doctest, sys\n"
    code += f"page = {str(ROOT / 'docs' / 'python.md')!r}\n"
    code += "found = doctest.testfile(page, module_relative=False, optionflags=doctest.ELLIPSIS)\n"
    code += "sys.exit(bool(found.failed or found.attempted < 10))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
