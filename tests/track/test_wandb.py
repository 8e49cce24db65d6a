"""The W&B mirror: which calls it makes. Its package is optional, so a recorder stands in."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tempo.core.errors import MissingError
from tempo.track.wandb_store import WandbMirror

from .conftest import Study


class Recorder(ModuleType):
    """Keeps what `init`, `log` and `finish` were given."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.runs: list[dict[str, Any]] = []
        self.Settings = lambda **_: None
        self.Image = lambda path: f"image {path.rsplit('/', 1)[1]}"

    def init(self, **given: Any) -> SimpleNamespace:
        run = given | {"rows": {}, "exit": None}
        self.runs.append(run)

        def log(values: dict[str, Any], step: int) -> None:
            assert step > max(run["rows"], default=-1), "W&B drops rows that go back"
            run["rows"][step] = values

        def finish(exit_code: int) -> None:
            run["exit"] = exit_code

        return SimpleNamespace(log=log, finish=finish)


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setitem(sys.modules, "wandb", made)
    return made


def test_ended_runs_are_written_whole_and_once(study: Study, wandb: Recorder) -> None:
    mirror = WandbMirror(study.store)
    mirror.open(study.plan, {})
    study.write("off0").whole()
    going = study.write("on0").begin().train(0, 20).checkpoint(20)
    assert mirror.sync(), mirror.problem
    assert [run["name"] for run in wandb.runs] == ["se=off s0"]
    assert wandb.runs[0]["mode"] == "offline"
    assert wandb.runs[0]["config"]["arch.se.kind"] == "none"
    rows = wandb.runs[0]["rows"]
    assert rows[20]["val/psnr"] == 30.2
    assert rows[20]["val0/target"] == "image target.png"
    assert rows[40]["test/psnr"] == 30.0
    assert wandb.runs[0]["exit"] == 0
    going.train(20, 32).finish("failed", 32, failure="bug")
    assert mirror.finish("failed", [], {})
    assert [run["exit"] for run in wandb.runs] == [0, 1]


def test_its_absence_says_what_to_install(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingError, match="pip install wandb"):
        WandbMirror(study.store).open(study.plan, {})


def test_its_errors_do_not_end_the_study(
    study: Study, wandb: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(wandb, "init", fail)
    mirror = WandbMirror(study.store)
    mirror.open(study.plan, {})
    study.write("off0").whole()
    assert not mirror.sync()
    assert mirror.problem == "wandb: RuntimeError: disk full"
