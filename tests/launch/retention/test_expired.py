"""What keep policies let go of complete runs, and what stays whatever they say."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tempo.core.records import Parent, PlannedRun, PlannedTestSet
from tempo.launch.retention.expired import remove_expired
from tempo.ledger.port import this_process
from tempo.records.disk.removals import read_removals
from tempo.records.files import sha256_of
from tempo.spec.sections.keep import Keep
from tests.kept_runs import KIB, Lab, run_id

BEST = {"checkpoints": "best"}
LATER = {"step-00000004-a0001.pt", "step-00000006-a0001.pt"}
DAY = 86400.0


def test_without_a_policy_everything_stays(lab: Lab) -> None:
    plan = lab.plan()
    lab.train("a", 0)
    assert not lab.find(plan).expired and not lab.find().expired


def test_best_keeps_what_the_result_was_made_with(lab: Lab) -> None:
    plan = lab.plan(keep=BEST)
    lab.train("a", 0)
    lab.train("b", 0, at=6)
    assert lab.going(plan) == {
        "a 0": LATER,
        "b 0": {"step-00000002-a0001.pt", "step-00000004-a0001.pt"},
    }
    assert lab.going() == lab.going(plan)
    assert lab.find(plan).bytes == 4 * KIB


@pytest.mark.parametrize("chosen", ["average of 2", "ensemble of 2"])
def test_of_a_mean_or_an_ensemble_every_member_stays(lab: Lab, chosen: str) -> None:
    plan = lab.plan(keep=BEST)
    lab.train("a", 0, chosen=chosen, at=6)
    assert lab.going(plan) == {"a 0": {"step-00000002-a0001.pt"}}
    lab.train("b", 0, chosen=chosen.replace("2", "5"), at=6)
    assert "b 0" not in lab.going(plan)


def test_where_a_file_of_the_result_is_gone_no_other_goes(lab: Lab) -> None:
    plan = lab.plan(keep=BEST)
    folder = lab.train("a", 0)
    (folder / "checkpoints" / "step-00000002-a0001.pt").unlink()
    assert not lab.find(plan).expired


@pytest.mark.parametrize("end", ["failed", "stopped", None])
def test_runs_without_a_result_keep_everything(lab: Lab, end: str | None) -> None:
    plan = lab.plan(keep=BEST)
    lab.train("a", 0, end=end)
    assert not lab.find(plan).expired


def test_a_run_that_a_process_holds_keeps_everything(lab: Lab) -> None:
    plan = lab.plan(keep=BEST)
    lab.train("a", 0)
    token = lab.ledger.claim(run_id("a", 0), this_process(), 60.0)
    assert token is not None and not lab.find(plan).expired
    lab.ledger.release(run_id("a", 0), token)
    assert lab.going(plan) == {"a 0": LATER}


def test_after_counts_from_the_end_of_the_run(lab: Lab) -> None:
    plan = lab.plan(keep=BEST | {"after": "30d"})
    lab.train("a", 0, ago=29.9 * DAY)
    lab.train("b", 0, ago=30.1 * DAY)
    assert lab.going(plan) == {"b 0": LATER}
    assert lab.going(plan, later=DAY) == {"a 0": LATER, "b 0": LATER}


def test_the_profile_fills_what_the_spec_leaves_open(lab: Lab) -> None:
    lab.profile = Keep(checkpoints="best", after="1h")
    plan = lab.plan(keep={"after": "2h"})
    lab.train("a", 0, ago=1.5 * 3600)
    assert not lab.find(plan).expired
    assert lab.going(plan, later=3600) == {"a 0": LATER}
    everything = lab.plan(keep={"checkpoints": "all"})
    assert not lab.find(everything, later=DAY).expired


def test_what_another_study_keeps_stays(lab: Lab) -> None:
    mine = lab.plan("one", keep=BEST | {"galleries": "1 seed"})
    for seed in range(3):
        lab.train("a", seed)
    assert lab.going(mine)["a 2"] == LATER | {"gallery"}
    lab.plan("two", variants=("a",), keep={"galleries": "2 seeds"})
    found = lab.going(mine)
    assert found == {"a 2": {"gallery"}}
    assert lab.going() == found
    # A plan that nobody can read may keep anything.
    path = lab.store.study_dir("two") / "plans" / "default.json"
    stored = next((lab.store.study_dir("two") / "plans").iterdir())
    assert stored.suffix == path.suffix
    stored.write_text(stored.read_text()[:-30])
    unread = lab.find(mine)
    assert not unread.expired and str(stored) in unread.problems[0]


@pytest.mark.parametrize("how", ["path", "relative", "copy"])
def test_a_checkpoint_that_a_plan_names_stays(lab: Lab, how: str, tmp_path: Path) -> None:
    mine = lab.plan("one", keep=BEST)
    named = lab.train("a", 0) / "checkpoints" / "step-00000006-a0001.pt"
    source = {
        "path": str(named),
        "relative": os.path.relpath(named, tmp_path / "elsewhere"),
        "copy": "/weights/teacher.pt",
    }[how]
    lab.plan("two", variants=("c",), parents=[Parent(source=source, sha256=sha256_of(named))])
    assert lab.going(mine) == {"a 0": {"step-00000004-a0001.pt"}}


def test_a_checkpoint_that_an_evaluation_of_the_run_names_stays(lab: Lab) -> None:
    plan = lab.plan(keep=BEST)
    folder = lab.train("a", 0)
    record = folder / "evaluations" / "step-00000006-a0001" / "record.json"
    record.parent.mkdir(parents=True)
    digest = sha256_of(folder / "checkpoints" / "step-00000006-a0001.pt")
    record.write_text(f'{{"sha256": "{digest}"}}')
    assert lab.going(plan) == {"a 0": {"step-00000004-a0001.pt"}}


def test_a_checkpoint_that_a_report_names_stays(lab: Lab) -> None:
    plan = lab.plan(keep=BEST)
    lab.train("a", 0)
    page = lab.reports / "one" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f"<code>{run_id('a', 0)}/checkpoints/step-00000004-a0001.pt</code>")
    assert lab.going(plan) == {"a 0": {"step-00000006-a0001.pt"}}


def test_the_first_seeds_of_each_variant_keep_their_pictures(lab: Lab) -> None:
    plan = lab.plan(keep={"galleries": "2 seeds"}, seeds=4)
    for seed in range(4):
        lab.train("a", seed)
    # Of b the first seed failed: the first two that have pictures keep them.
    lab.train("b", 0, end="failed")
    for seed in (1, 2, 3):
        lab.train("b", seed)
    assert lab.going(plan) == {"a 2": {"gallery"}, "a 3": {"gallery"}, "b 3": {"gallery"}}


def test_the_seed_that_the_report_shows_keeps_its_pictures(lab: Lab) -> None:
    plan = lab.plan(keep={"galleries": "1 seed"}, variants=("a", "b", "c"))
    lab.train("a", 0)
    for name in ("a", "b", "c"):
        lab.train(name, 1)
        lab.train(name, 2)
    # Most variants have seed 1, so that the page shows it of a, too, whose first seed is 0.
    assert lab.going(plan) == {f"{name} 2": {"gallery"} for name in ("a", "b", "c")}


def test_a_run_that_another_report_names_keeps_its_pictures(lab: Lab) -> None:
    plan = lab.plan(keep={"galleries": "1 seed"})
    for seed in range(3):
        lab.train("a", seed)
    for name, seed in (("one", 1), ("one_on_ucf101", 1), ("two_against_one", 2)):
        (lab.reports / name).mkdir(parents=True)
        (lab.reports / name / "index.html").write_text(f"<td>{run_id('a', seed)}</td>")
    assert lab.going(plan) == {"a 1": {"gallery"}}


def test_pictures_of_evaluations_follow_the_same_rule(lab: Lab) -> None:
    plan = lab.plan(keep={"galleries": "1 seed"}, variants=("a",))
    judged = tuple(
        PlannedRun(
            run_id=run_id("d", run.seed or 0),
            variant="a",
            seed=run.seed,
            parents=(Parent(source="a", run_id=run.run_id),),
        )
        for run in plan.runs
    )
    plan = replace(plan, test_sets=(PlannedTestSet(name="s", title="s", options={}, runs=judged),))
    lab.store.save_plan(plan)
    for seed in range(3):
        lab.train("d", seed)
    assert lab.going(plan) == {"d 1": {"gallery"}, "d 2": {"gallery"}}


def test_variants_that_share_a_run_keep_what_one_of_them_keeps(lab: Lab) -> None:
    plan = lab.plan(keep={"galleries": "1 seed"})
    # b is another name of the runs of a, in another order of seeds.
    twins = [replace(run, variant="b") for run in plan.runs if run.variant == "a"]
    plan = replace(plan, runs=(*(r for r in plan.runs if r.variant == "a"), *reversed(twins)))
    for seed in range(3):
        lab.train("a", seed)
    assert lab.going(plan) == {"a 1": {"gallery"}}


def test_what_goes_is_noted_and_gone_once(lab: Lab) -> None:
    plan = lab.plan(keep=BEST | {"galleries": "1 seed"})
    folders = [lab.train("a", seed) for seed in range(3)]
    removed = remove_expired(lab.store, lab.find(plan).expired)
    assert not removed.problems and removed.bytes == (6 + 4) * KIB
    assert [path.name for path in (folders[2] / "checkpoints").iterdir()] == [
        "step-00000002-a0001.pt"
    ]
    assert (folders[0] / "gallery").is_dir() and not (folders[1] / "gallery").exists()
    (note,) = read_removals(folders[1])
    assert set(note.paths) == {f"checkpoints/{name}" for name in LATER} | {"gallery"}
    assert note.policy == "checkpoints: best, galleries: 1 seed"
    assert not lab.find(plan).expired


def test_a_damaged_record_is_left_alone_and_said(lab: Lab) -> None:
    plan = lab.plan(keep=BEST)
    folder = lab.train("a", 0)
    lab.train("b", 0)
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b"{not json}\n")
    found = lab.find(plan)
    assert {each.run_id for each in found.expired} == {run_id("b", 0)}
    (problem,) = found.problems
    assert "events.jsonl" in problem and "nothing of run" in problem


def test_a_policy_that_is_none_keeps_the_runs_of_its_plan(lab: Lab) -> None:
    lab.plan("one", variants=("a",), keep={"checkpoints": "some"})
    lab.plan("two", keep=BEST)
    lab.train("a", 0)
    lab.train("b", 0)
    found = lab.find()
    assert {each.run_id for each in found.expired} == {run_id("b", 0)}
    assert "one" in found.problems[0] and "no policy" in found.problems[0]
