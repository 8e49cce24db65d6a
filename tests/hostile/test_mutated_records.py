"""Records that are changed a little, mostly so that they can still be parsed, under the commands.

What passes the readers reaches all that follows them, down to the page.
"""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

from tempo.records.layout import Store

from .conftest import Call
from .mutations import Changes, mutated, mutations

KINDS: dict[str, str] = {
    "plan": "studies/hostile/plans/default.json",
    "run": "runs/{run}/run.json",
    "events": "runs/{run}/events.jsonl",
    "verdicts": "studies/hostile/verdicts/default.jsonl",
}
COMMANDS = (
    ("status", "hostile"),
    ("status",),
    ("logs", "se=off s0"),
    ("stop", "hostile"),
    ("compare", "hostile"),
    ("compare", "hostile", "--json"),
    ("run", "hostile.yaml", "--mlflow", "off"),
)


@pytest.mark.usefixtures("quick_report", "no_training")
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.slow] if kind != "plan" else []) for kind in KINDS],
)
@settings(suppress_health_check=list(HealthCheck), max_examples=20)
@given(changes=mutations())
@example(changes=[("replace value", 0.3, b"1e99")])
def test_no_change_ends_a_command(
    kind: str,
    changes: Changes,
    sound: Path,
    call: Call,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"changed-{kind}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
    plan = Store(folder / "records").load_plan("hostile")
    (run,) = [each.run_id for each in plan.runs if each.title == "se=off s0"]
    path = folder / "records" / KINDS[kind].format(run=run)
    path.write_bytes(mutated(path.read_bytes(), changes))
    with chdir(folder):
        for words in COMMANDS:
            said = call(*words)
            assert said.code in {0, 2}, (words, said)
            assert said.code == 0 or said.err.startswith("error: "), (words, said)
