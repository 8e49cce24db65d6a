"""What a plan refuses before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

import tempo
from tempo.cli.main import main

SPEC = """
study: processes
data: {kind: procedural}
recipe: {budget: {steps: 2}}
runtime: {device: cpu}
variants: {V2: {}, V3: {set: {arch.base_channels: 8, runtime.compile: regions}}}
baseline: V2
seeds: 1
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("processes.yaml").write_text(SPEC)
    return "processes.yaml"


def test_compiling_by_regions_is_refused_for_several_processes(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(tempo.SpecError, match=r"regions is for runs of one process.*by V3\)"):
        tempo.load_study(spec, mlflow="off", ddp=2).plan()
    assert main(["run", spec, "--ddp", "2", "--mlflow", "off"]) == 2
    assert "runs here have 2" in capsys.readouterr().err
    assert not Path("records").exists()


def test_it_is_planned_for_one_process(spec: str) -> None:
    plan = tempo.load_study(spec, mlflow="off").plan().plan
    assert {"V2", "V3"} <= {run.variant for run in plan.distinct_runs}
