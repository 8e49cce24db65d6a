"""Evaluations on further test sets in MLflow: figures of the run that is judged, sent once."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tempo.core.records import Parent, Plan, PlannedRun, PlannedTestSet, PlannedVariant
from tempo.track.mlflow.mlflow_store import MlflowMirror

from .conftest import Study, Written, config, make_plan
from .reader import Shown, in_store

SETS = ("ucf101", "snu_film:hard")


@pytest.fixture
def further(study: Study) -> Study:
    """The study with two further sets, and a method of others on them."""
    theirs = PlannedVariant(name="RIFE", role="reference", levels={}, config=config())
    study.plan = make_plan(seeds=1)
    sets = tuple(
        PlannedTestSet(
            name=name,
            title=name,
            options={"set": name},
            runs=(
                *(evaluation(name, run) for run in study.plan.runs),
                PlannedRun(run_id=f"{place}rife", variant="RIFE", seed=None),
            ),
            methods=(theirs,),
        )
        for place, name in enumerate(SETS)
    )
    study.plan = replace(study.plan, test_sets=sets)
    study.store.save_plan(study.plan)
    return study


def evaluation(name: str, run: PlannedRun) -> PlannedRun:
    parents = (Parent(source=run.title, run_id=run.run_id),)
    return replace(run, run_id=f"{SETS.index(name)}{run.run_id}", parents=parents)


def on(plan: Plan, name: str, variant: str) -> PlannedRun:
    return next(run for run in plan.on(name).runs if run.variant == variant)


def judge(study: Study, name: str, variant: str, best: float) -> Written:
    there = study.plan.on(name)
    written = Written(study.store, there, on(study.plan, name, variant), best)
    return written.begin(total=0).evaluate(0)


def opened(study: Study) -> MlflowMirror:
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, None)
    return mirror


def figures(shown: Shown) -> dict[str, Any]:
    return {
        key: value
        for key, value in shown.last.items()
        if key.startswith("test/") and key.count("/") == 2
    }


def test_figures_on_further_sets_stand_with_the_run_that_is_judged(further: Study) -> None:
    further.write_all()
    for place, name in enumerate(SETS):
        for variant in ("se=on", "se=off", "average", "RIFE"):
            judge(further, name, variant, 20.0 + place).finish(step=0)
    mirror = opened(further)
    assert mirror.sync(over=True), mirror.problem
    found = {shown.tags["variant"]: shown for shown in in_store(further.uri, "se_study").values()}
    assert set(found) == {"se=on", "se=off", "average", "RIFE"}
    for shown in found.values():
        assert figures(shown) == {
            "test/ucf101/psnr": 20.0,
            "test/ucf101/ssim": 0.91,
            "test/snu_film_hard/psnr": 21.0,
            "test/snu_film_hard/ssim": 0.91,
        }
        assert shown.status == "FINISHED"
    client = MlflowClient(further.uri)
    experiment = client.get_experiment_by_name("se_study").experiment_id
    for run in client.search_runs([experiment], filter_string="tags.role != 'study'"):
        place = client.download_artifacts(run.info.run_id, "evaluation/ucf101.json")
        assert json.loads(Path(place).read_text())["protocol_hash"] == "p1"
        assert [each.path for each in client.list_artifacts(run.info.run_id, "evaluation/ucf101")]


def test_figures_follow_once_evaluations_end_and_are_sent_once(further: Study) -> None:
    further.write_all()
    mirror = opened(further)
    assert mirror.sync(), mirror.problem
    unfinished = judge(further, "ucf101", "se=on", 20.0)
    theirs = judge(further, "ucf101", "RIFE", 25.0).finish(step=0)
    assert mirror.sync(), mirror.problem
    assert not figures(in_store(further.uri, "se_study")["on0"])
    unfinished.finish(step=0)
    for _ in range(2):
        assert mirror.sync(), mirror.problem
    # Another process, which knows nothing of the passes before.
    assert opened(further).sync(), "again"
    shown = in_store(further.uri, "se_study")
    assert set(Counter(s.tags["variant"] for s in shown.values()).values()) == {1}
    judged = {key: n for key, n in shown["on0"].points.items() if key[0] == "test/ucf101/psnr"}
    assert list(judged.values()) == [1]
    # Judged again, as after other weights: the newest figure counts.
    theirs.best = 26.0
    theirs.begin(total=0).evaluate(0).finish(step=0)
    assert mirror.sync(), mirror.problem
    again = {s.tags["variant"]: s for s in in_store(further.uri, "se_study").values()}
    assert again["RIFE"].last["test/ucf101/psnr"] == 26.0


def test_damaged_evaluations_are_named_and_the_others_sent(further: Study) -> None:
    further.write_all()
    judge(further, "ucf101", "se=on", 20.0).finish(step=0)
    bad = judge(further, "ucf101", "se=off", 20.0).finish(step=0)
    events = bad.folder / "events.jsonl"
    events.write_text("{}\n" + events.read_text())
    mirror = opened(further)
    assert not mirror.sync()
    assert mirror.problem is not None and "se=off s0 on ucf101" in mirror.problem
    assert figures(in_store(further.uri, "se_study")["on0"])
