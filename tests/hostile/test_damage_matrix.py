"""Every kind of file that records hold, damaged in every way, under every command.

A command refuses with a sentence and code 2, or serves what is sound with code 0 and names what it
left out. It never ends in an exception, never hangs and never writes elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.errors import RecordError
from tempo.records.layout import Store
from tempo.records.pictures import picture_size

from .conftest import Call
from .damages import DAMAGES, PLAIN

RUN = "se=off s0"
"""The run whose files are damaged."""

KINDS: dict[str, str] = {
    "plan": "studies/hostile/plans/default.json",
    "current": "studies/hostile/current",
    "run": "runs/{run}/run.json",
    "events": "runs/{run}/events.jsonl",
    "clips": "runs/{run}/clips-a0001.parquet",
    "picture": "runs/{run}/gallery/00000-prediction.png",
}

COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("status", "hostile"),
    "logs": ("logs", RUN),
    "stop": ("stop", "hostile"),
    "compare": ("compare", "hostile", "--no-report"),
    "report": ("compare", "hostile"),
    "run": ("run", "hostile.yaml", "--mlflow", "off"),
}

READS: dict[str, set[str]] = {
    "status": {"plan", "current", "events"},
    "logs": {"events"},
    "stop": {"plan", "current"},
    "compare": {"plan", "current", "run", "events", "clips"},
    "report": {"plan", "current", "run", "events", "clips", "picture"},
    "run": {"run", "events", "clips", "picture"},
}
"""What each command reads of the run that is damaged, and so has to name. `run` writes the plan
again, and `logs` finds a run whose plan is damaged by its id."""

QUICK = {"garbage", "absurd names", "named pipe"}


def cells() -> list[object]:
    found = []
    for kind in KINDS:
        for damage in DAMAGES:
            slow = damage not in QUICK
            marks = [pytest.mark.slow] if slow else []
            found.append(pytest.param(kind, damage, id=f"{kind}-{damage}", marks=marks))
    return found


@pytest.mark.usefixtures("quick_report", "no_training")
@pytest.mark.parametrize(("kind", "damage"), cells())
def test_no_damage_ends_a_command(kind: str, damage: str, study: Path, call: Call) -> None:
    """One folder serves all commands: those that only read come first."""
    path = damaged(study, kind, damage)
    sound = kind == "picture" and is_sound(path)
    before = outside(study)
    for command, words in COMMANDS.items():
        said = call(*words)
        assert said.code in {0, 2}, (command, said)
        assert "Traceback" not in said.text
        if said.code == 2:
            assert said.err.startswith("error: "), (command, said)
        elif damage not in PLAIN and kind in READS[command] and not sound:
            assert said.names(path, RUN), (command, said)
        if said.code == 0 and command in {"status", "compare"}:
            assert "se=on" in said.out, "what is sound is reported"
    assert outside(study) == before


def damaged(study: Path, kind: str, damage: str) -> Path:
    plan = Store(study / "records").load_plan("hostile")
    (run,) = [each.run_id for each in plan.runs if each.title == RUN]
    path = study / "records" / KINDS[kind].format(run=run)
    DAMAGES[damage](path)
    return path


def is_sound(picture: Path) -> bool:
    """Whether a picture can be read all the same: what follows its end changes nothing."""
    try:
        return picture_size(picture) == (24, 24)
    except RecordError:
        return False


def outside(study: Path) -> set[Path]:
    """What lies beside the records and reports."""
    mine = {study / "records", study / "reports", study / "cache"}
    found = {path for path in study.parent.rglob("*") if not path.is_symlink()}
    return {path for path in found if not mine & {path, *path.parents}}
