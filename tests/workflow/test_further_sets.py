"""Finished runs are evaluated once on each further test set, whatever interrupts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tempo
from tempo.cli.main import main
from tempo.core.errors import MissingError, RecordError, SpecError
from tempo.core.records import Plan, RunStatus
from tempo.data.testsets import FAMILIES, TEST_SETS, open_test_set
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.records.seed_log import opened_plan
from tempo.spec.sections.test_sets import PUBLISHED, published_names
from tests import further_sets

QUIET = tempo.SilentObserver()
OFF = {"mlflow": "off", "observer": QUIET}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study was carried out, with all its evaluations."""
    folder = tmp_path_factory.mktemp("paper")
    further_sets.lay_out(folder)
    (folder / "paper.yaml").write_text(further_sets.study())
    command = [sys.executable, "-m", "tempo.cli.main", "run", "paper.yaml", "--mlflow", "off"]
    subprocess.run(command, cwd=folder, check=True, env=_environment(), timeout=300)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the sets laid out."""
    further_sets.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPO_DATASETS", "datasets")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def inside(done: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the finished study as the current one."""
    monkeypatch.chdir(done)
    monkeypatch.setenv("TEMPO_DATASETS", "datasets")
    return done


def _environment() -> dict[str, str]:
    return {**os.environ, "TEMPO_DATASETS": "datasets", "OMP_NUM_THREADS": "1"}


def _records(folder: Path) -> dict[str, Any]:
    return _records_of(folder, Store(folder / "records").load_plan("paper"))


def _records_of(folder: Path, plan: Plan) -> dict[str, Any]:
    """The records of the evaluations that were begun, by title."""
    found = {run.title: folder / "records" / "runs" / run.run_id for run in plan.evaluations}
    return {title: read_run(path) for title, path in found.items() if path.is_dir()}


def test_the_names_that_a_spec_knows_are_those_of_the_data() -> None:
    assert published_names()[: len([*TEST_SETS])] == tuple(TEST_SETS)
    families = {
        name: tuple(f"{name}_{member}" for member in members)
        for name, members in PUBLISHED.items()
        if members
    }
    assert families == FAMILIES


def test_every_run_and_method_is_evaluated_on_every_set(inside: Path) -> None:
    records = _records(inside)
    rows = ["average", "se=on s0", "se=off s0", "se=on s1", "se=off s1", "First", "flow"]
    assert len(records) == 4 * len(rows)
    assert {record.status for record in records.values()} == {RunStatus.COMPLETE}
    clips = {title: record.test.clips for title, record in records.items() if record.test}
    assert clips["First on UCF101"] == 3
    assert clips["se=off on own s1"] == 4
    sources = {record.test.protocol["data_set"] for record in records.values() if record.test}
    assert sources == {"ucf101", "middlebury", "vimeo90k", "frames"}


def test_the_numbers_are_those_of_independent_code(inside: Path) -> None:
    clips = open_test_set("ucf101")
    expected = []
    for clip in clips:
        error = (clip.frames[0].astype(float) - clip.target.astype(float)) / 255
        expected.append(-10 * np.log10((error**2).mean()))
    record = _records(inside)["First on UCF101"]
    assert record.test is not None
    table = pd.read_parquet(record.folder / record.test.table)
    assert list(table["psnr"]) == pytest.approx(expected, abs=1e-4)


def test_a_trained_network_is_judged_as_by_hand(inside: Path) -> None:
    """The same numbers as `tempo.evaluate` gives of the run."""
    by_hand = tempo.evaluate("se=on s0", on="middlebury", metrics="psnr,ssim", observer=QUIET)
    record = _records(inside)["se=on on Middlebury OTHER s0"]
    assert record.test is not None
    for name in ("psnr", "ssim"):
        assert record.test.values[name] == pytest.approx(by_hand.records[0].values[name], abs=1e-6)


def test_nothing_is_done_twice(inside: Path) -> None:
    before = {title: len(each.attempts) for title, each in _records(inside).items()}
    outcome = tempo.load_study("paper.yaml").run(**OFF)
    assert outcome.complete
    assert {title: len(each.attempts) for title, each in _records(inside).items()} == before
    assert set(before.values()) == {1}


@pytest.mark.slow
def test_sets_that_are_added_later_are_evaluated_without_training(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("paper.yaml").write_text(further_sets.study(sets="[middlebury]", methods="[]"))
    assert tempo.load_study("paper.yaml").run(**OFF).complete
    store = Store(Path("records"))
    trained = {run.run_id for run in store.load_plan("paper").distinct_runs}
    attempts = {run_id: len(read_run(store.run_dir(run_id)).attempts) for run_id in trained}
    Path("paper.yaml").write_text(further_sets.study(sets=f"[middlebury, {further_sets.OWN}]"))
    study = tempo.load_study("paper.yaml")
    assert {run.run_id for run in study.expanded.distinct_runs} == trained
    outcome = study.evaluate(**OFF)
    assert outcome.complete, outcome
    assert {r: len(read_run(store.run_dir(r)).attempts) for r in trained} == attempts
    assert {each.status for each in _records(folder).values()} == {RunStatus.COMPLETE}
    # Named like runs everywhere, and kept by `clean`, as a plan names them.
    assert main(["logs", "se=off on own s1"]) == 0
    assert main(["status", "paper"]) == 0
    said = capsys.readouterr().out
    assert "test of 4 clips" in said and "se=off on own s1" in said
    assert main(["clean", "--only", "runs"]) == 0
    assert "nothing" in capsys.readouterr().out.lower()


@pytest.mark.slow
def test_a_method_of_others_can_be_pictures(folder: Path) -> None:
    methods = "[{folder: outputs, name: Theirs}]"
    Path("paper.yaml").write_text(further_sets.study(sets="[ucf101]", methods=methods))
    assert tempo.load_study("paper.yaml").run(**OFF).complete
    pictures = _records(folder)["Theirs on UCF101"]
    assert pictures.test is not None
    # The pictures are the first frames, so their numbers are those of the nearest frame.
    nearest = tempo.evaluate("theirs:first", on="ucf101", metrics="psnr", observer=QUIET)
    assert pictures.test.values["psnr"] == pytest.approx(nearest.records[0].values["psnr"])
    assert any("8 bits" in note.message for note in pictures.notes)
    first = tempo.load_study("paper.yaml").expanded.evaluations[-1].run_id
    time.sleep(0.01)
    further_sets.picture(0, further_sets.SIDE, 99).save("outputs/1.png")
    changed = tempo.load_study("paper.yaml").expanded.evaluations[-1].run_id
    assert changed != first, "other pictures under the same names are another method"


@pytest.mark.slow
def test_a_run_that_is_trained_again_is_judged_again(folder: Path) -> None:
    Path("paper.yaml").write_text(further_sets.study(sets="[middlebury]", methods="[]"))
    study = tempo.load_study("paper.yaml")
    assert study.run(**OFF).complete
    store = Store(Path("records"))
    (evaluation,) = (
        r for r in study.expanded.evaluations if r.title == "se=on on Middlebury OTHER s0"
    )
    events = store.run_dir(str(evaluation.parents[0].run_id)) / "events.jsonl"
    first = read_run(store.run_dir(evaluation.run_id)).attempts
    weights = read_run(events.parent).test
    assert weights is not None and weights.weights
    events.write_text(events.read_text().replace(weights.weights, "0" * len(weights.weights)))
    assert tempo.load_study("paper.yaml").evaluate(**OFF).complete
    assert len(read_run(store.run_dir(evaluation.run_id)).attempts) == len(first) + 1


def test_a_missing_set_is_said_before_anything_is_trained(folder: Path) -> None:
    Path("paper.yaml").write_text(
        further_sets.study(sets="[ucf101, davis, {clips: nowhere}]", methods="[{folder: none}]")
    )
    with pytest.raises(MissingError) as refused:
        tempo.load_study("paper.yaml").run(**OFF)
    said = str(refused.value)
    assert "DAVIS" in said and "nowhere" in said and "none holds no pictures" in said
    assert "evaluation.test_sets" in said
    assert not list((folder / "records").glob("runs/*/events.jsonl"))


@pytest.mark.parametrize(
    ("sets", "methods", "said"),
    [
        ("[snu_flim]", "[]", "did you mean 'snu_film'"),
        ("[{clip: own}]", "[]", "did you mean 'clips'"),
        ("[{set: ucf101, clips: own}]", "[]", "one of both"),
        ("[ucf101, ucf101]", "[]", "two test sets are called 'UCF101'"),
        ("[{set: snu_film, name: SNU}]", "[]", "cannot share the name"),
        ("[]", "[flow]", "there is none: add"),
        ("[ucf101]", "[{call: no_colon}]", "package.module:name"),
        ("[ucf101]", "[{folder: a, call: 'b:c'}]", "a method is one of the references"),
        ("[ucf101]", "[{folder: a, name: se=on}]", "two rows would be called 'se=on'"),
        ("[ucf101]", "[flwo]", "did you mean 'flow'"),
    ],
)
def test_a_wrong_entry_is_said_with_its_place(
    sets: str, methods: str, said: str, tmp_path: Path
) -> None:
    spec = tmp_path / "paper.yaml"
    spec.write_text(further_sets.study(sets=sets, methods=methods))
    with pytest.raises(SpecError, match=r"paper\.yaml:") as refused:
        _ = tempo.load_study(spec).expanded
    assert said in str(refused.value)


@pytest.mark.slow
def test_a_list_names_the_clips_of_a_subset(folder: Path) -> None:
    Path("fast.txt").write_text("2  # the fastest\n")
    entry = "[{set: ucf101, subset: fast.txt}]"
    Path("paper.yaml").write_text(further_sets.study(sets=entry, methods="[flow]"))
    plan = tempo.load_study("paper.yaml").expanded
    assert [each.title for each in plan.test_sets] == ["UCF101 fast"]
    Path("fast.txt").write_text("3\n")
    other = tempo.load_study("paper.yaml").expanded
    assert {r.run_id for r in plan.evaluations}.isdisjoint(r.run_id for r in other.evaluations)
    Path("fast.txt").write_text("3\n9\n")
    with pytest.raises(MissingError, match="names clips that the set does not have"):
        tempo.load_study("paper.yaml").run(**OFF)
    Path("fast.txt").write_text("3\n")
    assert tempo.load_study("paper.yaml").run(**OFF).complete
    (flow,) = (record for title, record in _records(folder).items() if "flow" in title)
    assert flow.test is not None and flow.test.clips == 1
    assert "subset" in flow.test.protocol


def test_without_test_sets_there_is_nothing_to_evaluate(tmp_path: Path) -> None:
    spec = tmp_path / "paper.yaml"
    spec.write_text(further_sets.study(sets="[]", methods="[]"))
    with pytest.raises(SpecError, match="names no test sets"):
        tempo.load_study(spec).evaluate(**OFF)


def test_where_a_set_lies_changes_no_id(tmp_path: Path) -> None:
    found: list[Plan] = []
    for root in ("a", "b"):
        spec = tmp_path / f"{root}.yaml"
        spec.write_text(further_sets.study(sets=f"[{{set: ucf101, root: {root}}}, snu_film:hard]"))
        found.append(tempo.load_study(spec).expanded)
    one, other = ([each.run_id for each in plan.evaluations] for plan in found)
    assert one == other and len(set(one)) == len(one)
    assert [each.name for each in found[0].test_sets] == ["ucf101", "snu_film_hard"]
    assert Plan.from_json(found[0].to_json()) == found[0]


@pytest.mark.slow
def test_an_evaluation_that_is_killed_goes_on_where_it_was(folder: Path, done: Path) -> None:
    """Killed again and again while runs are evaluated: equal numbers, and nothing done twice."""
    Path("paper.yaml").write_text(further_sets.study())
    command = [sys.executable, "-m", "tempo.cli.main", "run", "paper.yaml", "--mlflow", "off"]
    store = Store(folder / "records")
    complete: dict[str, int] = {}
    for wanted in (3, 9, 15):
        process = subprocess.Popen(command, env=_environment(), stdout=subprocess.DEVNULL)
        while len(complete) < wanted and process.poll() is None:
            time.sleep(0.02)
            complete = _complete(store)
        process.send_signal(signal.SIGKILL)
        process.wait()
        complete = _complete(store)
    subprocess.run(command, env=_environment(), check=True, timeout=300)
    last = _complete(store)
    assert len(last) == 28
    assert {title: last[title] for title in complete} == complete, "done before, and done again"
    for title, record in _records(done).items():
        again = _records(folder)[title]
        assert record.test is not None and again.test is not None
        assert again.test.values == record.test.values
        assert again.test.table_sha256 == record.test.table_sha256
    tables = [each / "reports" / "paper" / "paper_table.csv" for each in (done, folder)]
    assert tables[0].read_text() == tables[1].read_text()


@pytest.mark.slow
def test_of_adaptive_seeds_those_that_were_opened_are_evaluated(folder: Path) -> None:
    """Once the last look was taken, every run that was opened is judged on the set."""
    spec = further_sets.study(sets="[middlebury]", methods="[flow]")
    seeds = "seeds: {from: 3, to: 5, by: 1, until: decided}"
    Path("paper.yaml").write_text(spec.replace("seeds: 2", seeds))
    outcome = tempo.load_study("paper.yaml").run(**OFF)
    assert outcome.complete, outcome
    plan = tempo.load_study("paper.yaml").expanded
    opened = {run.title for run in opened_plan(Store(Path("records")), plan).distinct_runs}
    judged = {
        title.replace(" on Middlebury OTHER", "")
        for title, record in _records_of(folder, plan).items()
        if record.status is RunStatus.COMPLETE
    }
    assert judged == {*opened, "flow"}
    assert len(opened) < len(plan.distinct_runs), "every seed that may be was opened"


def _complete(store: Store) -> dict[str, int]:
    """The attempts of each evaluation that is complete, by its title."""
    try:
        plan = store.load_plan("paper")
    except RecordError:
        # It is not planned to its end yet.
        return {}
    found = {}
    for run in plan.evaluations:
        folder = store.run_dir(run.run_id)
        record = read_run(folder) if (folder / "run.json").is_file() else None
        if record is not None and record.status is RunStatus.COMPLETE:
            found[run.title] = len(record.attempts)
    return found
