"""What messages suggest works on the records that were chosen; absent data is found at once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import tempo
from tempo.workflow.plan import machine_check
from tempo.workflow.suggestions import suggested

SPEC = """
study: absent
data: {kind: vimeo90k, root: nowhere}
recipe: {budget: {steps: 2}}
runtime: {device: cpu}
profiles: {full: null, also: {data: {root: nowhere/either}}}
"""


@pytest.fixture(autouse=True)
def _by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tempo"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no_environment/python"))


def test_chosen_records_are_part_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPO_RECORDS", raising=False)
    assert suggested("ui", records=Path("records")) == "tempo ui"
    assert suggested("sync", "s", records=Path("my records")) == (
        "tempo sync s --records 'my records'"
    )
    monkeypatch.setenv("TEMPO_RECORDS", "elsewhere")
    assert suggested("ui", records=Path("elsewhere")) == "tempo ui"
    assert suggested("ui", records=Path("records")) == "tempo ui --records records"


def test_an_absent_data_folder_is_told_without_starting_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started, which takes seconds")

    monkeypatch.setattr(machine_check.subprocess, "Popen", started)
    monkeypatch.chdir(tmp_path)
    Path("absent.yaml").write_text(SPEC)
    study = tempo.load_study("absent.yaml", mlflow="off")
    with pytest.raises(tempo.MissingError) as caught:
        study.run(observer=tempo.SilentObserver())
    said = str(caught.value)
    assert "data.root is 'nowhere', which does not exist" in said
    assert said.endswith("No other profile of this spec would run here either.")
