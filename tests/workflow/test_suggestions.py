"""What messages suggest works on the records that were chosen; absent data is found at once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import tempo
from tempo.launch.accounting import gpu_usage
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


def test_an_absent_gpu_is_told_without_starting_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started, which takes seconds")

    monkeypatch.setattr(machine_check, "_ask", started)
    monkeypatch.setattr(machine_check, "lacks_gpu_driver", lambda: True)
    monkeypatch.chdir(tmp_path)
    Path("absent.yaml").write_text(SPEC)
    study = tempo.load_study("absent.yaml", mlflow="off", overrides=["runtime.device=cuda"])
    with pytest.raises(tempo.MissingError) as caught:
        study.run(observer=tempo.SilentObserver())
    said = str(caught.value)
    assert "runtime.device is cuda, and this machine has no CUDA device" in said
    assert said.count("runtime.device") == 2


@pytest.mark.parametrize(("driver", "lacks"), [("libc.so.6", False), ("no_such.so.1", True)])
def test_whether_there_is_a_gpu_driver(
    driver: str, lacks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_usage, "NVIDIA_DRIVER", driver)
    monkeypatch.setattr(gpu_usage, "AMD_DRIVER", tmp_path / "kfd")
    monkeypatch.setattr(gpu_usage.sys, "platform", "linux")
    assert gpu_usage.lacks_gpu_driver() is lacks
    (tmp_path / "kfd").touch()
    assert not gpu_usage.lacks_gpu_driver()


def test_an_absent_data_folder_is_told_without_starting_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started, which takes seconds")

    monkeypatch.setattr(machine_check, "_ask", started)
    monkeypatch.chdir(tmp_path)
    Path("absent.yaml").write_text(SPEC)
    study = tempo.load_study("absent.yaml", mlflow="off")
    with pytest.raises(tempo.MissingError) as caught:
        study.run(observer=tempo.SilentObserver())
    said = str(caught.value)
    assert "data.root is 'nowhere', which does not exist" in said
    assert said.endswith("No other profile of this spec would run here either.")


def test_a_profile_that_would_run_here_is_named_with_the_chosen_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_check, "lacks_gpu_driver", lambda: True)
    monkeypatch.chdir(tmp_path)
    Path("big.yaml").write_text(
        "study: big\ndata: {kind: procedural, size: [48, 48], train_clips: 8, val_clips: 4}\n"
        "recipe: {budget: {steps: 2}, crop: 32}\nruntime: {device: cuda}\n"
        "profiles: {small: {runtime: {device: cpu}}}\n"
    )
    study = tempo.load_study("big.yaml", mlflow="off", records="kept")
    with pytest.raises(tempo.MissingError) as caught:
        study.run(observer=tempo.SilentObserver())
    assert str(caught.value).endswith("run big.yaml --profile small --records kept")
