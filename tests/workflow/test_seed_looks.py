"""Adaptive seeds decided from records: of a planted study, whose runs are handed out as they are
asked for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.core.seed_stages import SeedStages
from tempo.launch.cleanup import planned_runs
from tempo.launch.study_status import study_status
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store
from tempo.records.seed_log import SeedLook, log_path, opened_plan, read_looks
from tempo.records.verdict_log import read_log
from tempo.workflow.execution.seed_looks import SeedLooks
from tests.record_generator import Arm, Noise, Study, write_study

STAGES = SeedStages(first=3, last=7)
NOISE = Noise(seed=0.05, clip=0.02, residual=0.02, shared=0.1)


class Planted:
    """A study whose runs lie finished in one store, and are copied to another as they are run."""

    def __init__(self, folder: Path, arms: Sequence[Arm], noise: Noise = NOISE) -> None:
        self.source = Store(folder / "source")
        self.store = Store(folder / "records")
        study = Study(arms=arms, seeds=STAGES.last, noise=noise, baseline=arms[0].name)
        plan = write_study(self.source.root, study)
        self.plan = replace(plan, spec={**plan.spec, "seeds": STAGES.to_json()})
        self.store.save_plan(self.plan)
        self.said: list[str] = []
        self.afford = True

    def looks(self, plan: Plan | None = None) -> SeedLooks:
        return SeedLooks(
            plan or self.plan,
            STAGES,
            self.store,
            self.said.append,
            affords=lambda runs: self.afford,
            stale_too=True,
        )

    def carry_out(self, runs: Sequence[PlannedRun]) -> None:
        for run in runs:
            source = self.source.run_dir(run.run_id)
            shutil.copytree(source, self.store.run_dir(run.run_id), dirs_exist_ok=True)

    def run(self) -> None:
        """Carry the study out undisturbed."""
        looks = self.looks()
        self.carry_out(looks.opened.distinct_runs)
        while fresh := looks.next_runs():
            self.carry_out(fresh)

    @property
    def log(self) -> list[SeedLook]:
        """The looks, but for their times."""
        return [replace(each, time=0.0) for each in read_looks(self.store, self.plan)]

    def seeds(self) -> dict[str, int]:
        runs = opened_plan(self.store, self.plan).runs
        return {
            each.name: sum(run.variant == each.name for run in runs) for each in self.plan.variants
        }

    def comparison(self) -> Comparison:
        return compare(self.store, self.plan)

    def states(self) -> dict[str, str]:
        """The states of all runs, with why."""
        with closing(open_ledger(None, self.store.root)) as ledger:
            found = study_status(self.plan, self.store, ledger)
        return {each.run.title: f"{each.state} {each.why}".strip() for each in found.runs}


ARMS = (
    Arm(name="base"),
    Arm(name="good", gain=5.0),
    Arm(name="bad", gain=-5.0),
    Arm(name="open", gain=0.15),
    Arm(name="average", role="reference", gain=-3.0),
)
"""Two clear differences, and one that three seeds cannot tell from noise."""


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path, ARMS)


def test_seeds_go_to_what_is_undecided_and_its_baseline(planted: Planted) -> None:
    planted.run()
    seeds = planted.seeds()
    assert seeds["good"] == seeds["bad"] == 3
    assert seeds["open"] == seeds["base"] > 3
    assert seeds["average"] == 1
    first, *_, last = planted.log
    assert first.sentence == (
        "Look at 3 of 7 seeds: 2 decided (good better, bad worse), 1 goes on: 2 runs more."
    )
    assert planted.said == [each.sentence for each in planted.log]
    assert last.ended == "settled" and not last.runs


def test_what_was_not_needed_is_not_missing(planted: Planted) -> None:
    planted.run()
    found = planted.comparison()
    opened = opened_plan(planted.store, planted.plan)
    assert found.complete and found.planned_runs == len(opened.runs) < len(planted.plan.runs)
    assert not found.stale and not found.failures
    rows = {row.variant: row for row in found.rows}
    assert {row.state for row in found.rows} == {"complete"}
    assert (rows["good"].seeds, rows["good"].planned_seeds) == (3, 3)
    assert rows["good"].note == "decided at 3 seeds"
    assert rows["base"].note == ""
    contrasts = {each.variant: each for each in found.contrasts if each.metric == "psnr"}
    assert (len(contrasts["good"].seeds), contrasts["good"].planned_n) == (3, STAGES.last)
    assert not [line for line in found.headline if "Incomplete" in line or "Not alike" in line]
    assert [each.severity for each in found.fairness if each.field == "seeds"] == ["intended"]
    states = planted.states()
    assert states["good s3"] == "not needed decided at 3 seeds"
    assert states["good s2"] == states["base s3"] == "complete"
    assert planned_runs(planted.store) == {run.run_id for run in opened.runs}


def test_runs_of_another_study_are_not_counted_before_they_are_asked_for(planted: Planted) -> None:
    planted.carry_out(planted.plan.distinct_runs)
    assert planted.comparison().finished_runs == 4 * 3 + 1
    looks = planted.looks()
    looks.catch_up()
    assert planted.log[-1].ended == "settled"
    assert planted.seeds()["good"] == 3
    assert looks.opened == opened_plan(planted.store, planted.plan)


def test_every_look_by_a_process_of_its_own_decides_alike(planted: Planted, tmp_path: Path) -> None:
    """As after a stop at each look, or on a cluster whose command leaves after each submission."""
    planted.run()
    other = Planted(tmp_path / "other", ARMS)
    other.source = planted.source
    for _ in range(10):
        looks = other.looks()
        looks.catch_up()
        other.carry_out(looks.opened.distinct_runs)
    assert other.log == planted.log
    assert other.seeds() == planted.seeds()


def test_a_stage_that_is_not_over_is_not_looked_at(planted: Planted) -> None:
    looks = planted.looks()
    runs = looks.opened.distinct_runs
    planted.carry_out(runs[:-1])
    looks.catch_up()
    assert planted.log == [] and len(looks.opened.distinct_runs) == len(runs)
    assert planted.states()["good s3"] == "waiting for the first look"
    planted.carry_out(runs[-1:])
    looks.catch_up()
    assert len(planted.log) == 1
    assert planted.states()["open s3"] == "planned"
    assert planted.states()["open s4"] == "waiting for the next look"


def test_two_invocations_share_one_look(planted: Planted) -> None:
    mine, other = planted.looks(), planted.looks()
    planted.carry_out(mine.opened.distinct_runs)
    fresh = mine.next_runs()
    assert fresh and other.next_runs() == fresh
    assert len(planted.log) == 1


def test_the_same_state_seen_again_is_no_further_look(planted: Planted) -> None:
    planted.run()
    before = planted.log
    planted.looks().catch_up()
    assert planted.log == before
    assert planted.said[-1] == before[-1].sentence


def test_failed_runs_are_not_repeated_and_a_variant_that_only_fails_is_left(tmp_path: Path) -> None:
    broken = Arm(name="broken", gain=0.15, broken=frozenset({3, 4, 5, 6}))
    planted = Planted(tmp_path, [Arm(name="base"), broken])
    planted.run()
    assert planted.seeds() == {"base": 4, "broken": 4}
    assert planted.log[-1].variants["broken"].state == "failed"
    assert planted.said[-1] == "Look at 4 of 7 seeds: 1 stopped as its last seeds failed."
    row = next(row for row in planted.comparison().rows if row.variant == "broken")
    assert row.note == ("3 of 4 seeds; failed: seed 3; stopped at 4 seeds, as the last ones failed")
    assert [each.severity for each in planted.comparison().fairness if each.field == "seeds"] == [
        "unintended"
    ]


def test_without_any_result_no_seed_is_added(tmp_path: Path) -> None:
    every = frozenset(range(STAGES.last))
    planted = Planted(tmp_path, [Arm(name="base", broken=every), Arm(name="b", broken=every)])
    planted.run()
    assert planted.said == ["No run has a result, so no seed is added."]
    assert planted.seeds() == {"base": 3, "b": 3}


def test_the_budget_ends_a_study_that_is_undecided(planted: Planted) -> None:
    planted.afford = False
    planted.run()
    (look,) = planted.log
    assert (look.ended, look.runs) == ("budget", ())
    assert look.sentence.endswith(
        "The budget ended it: 1 contrast is undecided, and what is left of budget.gpu_hours does "
        "not pay the next 2 runs."
    )
    assert planted.states()["open s3"] == (
        "not needed undecided at 3 seeds, when the budget ended the study"
    )
    planted.afford = True
    planted.looks().catch_up()
    assert planted.seeds()["open"] == 4


@pytest.mark.parametrize(
    ("arms", "why"), [([Arm(name="base")], "it has one trained variant"), (ARMS, "no baseline")]
)
def test_a_study_without_contrasts_keeps_its_first_seeds(
    tmp_path: Path, arms: Sequence[Arm], why: str
) -> None:
    planted = Planted(tmp_path, arms)
    if len(arms) > 1:
        planted.plan = replace(planted.plan, baseline=None)
    planted.run()
    (look,) = planted.log
    assert look.ended == "alone" and why in look.sentence
    assert set(planted.seeds().values()) <= {1, 3}


def test_a_line_that_was_never_finished_is_passed_over_and_then_cut_off(planted: Planted) -> None:
    planted.run()
    path, before = log_path(planted.store, planted.plan), planted.log
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rfind(b"\n", 0, -1) + 30])
    assert planted.log == before[:-1]
    planted.looks().catch_up()
    assert planted.log == before


def test_a_damaged_line_is_named(planted: Planted) -> None:
    planted.run()
    path = log_path(planted.store, planted.plan)
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(RecordError, match=r"default\.jsonl: line 1 is no look at seeds"):
        planted.comparison()


def test_every_look_spends_its_share_of_the_error_rate(planted: Planted) -> None:
    """What the scheduler looked at is recorded as a look, and counted by the next one."""
    planted.run()
    looks = read_log(planted.store, planted.plan).looks
    assert {look.by for look in looks} == {"scheduler"}
    assert [look.of("open", "base", "psnr").seeds for look in looks] == [
        look.seeds for look in planted.log
    ]
    assert {each.planned for look in looks for each in look.contrasts} == {STAGES.last}
    contrast = next(each for each in planted.comparison().contrasts if each.variant == "open")
    assert contrast.looked == tuple(range(3, planted.log[-1].seeds))


def test_what_cannot_become_decided_is_stopped(tmp_path: Path) -> None:
    noise = replace(NOISE, seed=0.2)
    planted = Planted(tmp_path, [Arm(name="base"), Arm(name="none")], noise)
    planted.run()
    last = planted.log[-1]
    assert last.variants["none"].state == "futile" and last.seeds < STAGES.last
    assert last.sentence.endswith("1 stopped as it cannot become decided.")
