"""The mirror against an sqlite store: complete, once, in spite of crashes."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tempo.core.records import Plan
from tempo.ledger.open import open_ledger
from tempo.ledger.port import this_process
from tempo.records.pruned_runs import note_pruned
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.mlflow.run_content import EventSender, Limits

from .conftest import Study, make_plan
from .reader import assert_equal, in_store

ABOUT = {"git_commit": "c0ffee", "git_dirty": False, "versions": {"torch": "2.13.0"}}


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """A run that a worker, this process, carries out."""
    ledger = open_ledger(None, folder.parent.parent)
    token = ledger.claim(folder.name, this_process(), 60.0)
    assert token is not None
    yield
    ledger.release(folder.name, token)
    ledger.close()


def opened(study: Study, plan: Plan | None = None, **options: Any) -> MlflowMirror:
    mirror = MlflowMirror(study.store, **options)
    mirror.open(plan or study.plan, ABOUT)
    return mirror


def runs(study: Study) -> dict[str, Any]:
    client = MlflowClient(study.uri)
    experiment = client.get_experiment_by_name(study.plan.study)
    found = client.search_runs([experiment.experiment_id])
    return {run.info.run_name: run for run in found}


def test_a_whole_study_equals_its_records(study: Study) -> None:
    mirror = opened(study)
    study.write_all()
    assert mirror.finish("complete"), mirror.problem
    assert mirror.problem is None
    assert_equal(study.uri, study.store.root, study.plan)


def test_every_pass_may_come_at_any_moment(study: Study) -> None:
    """Mirroring after each event gives what mirroring once gives."""
    mirror = opened(study)
    run = study.write("on0").begin()
    for part in (
        lambda: run.train(0, 20),
        lambda: run.validate(20),
        lambda: run.checkpoint(20),
        lambda: run.train(20, 32),
        run.log.close,
        lambda: run.begin(resumed=20),
        lambda: run.train(20, 40),
        lambda: run.validate(40),
        lambda: run.checkpoint(40),
        lambda: run.evaluate(40),
        run.finish,
    ):
        part()
        assert mirror.sync(), mirror.problem
    assert_equal(study.uri, study.store.root, study.plan)
    assert in_store(study.uri, "se_study")["on0"].tags["attempt"] == "2"


def test_sending_again_adds_nothing(study: Study) -> None:
    mirror = opened(study)
    study.write_all()
    assert mirror.finish("complete")
    shutil.rmtree(study.store.root / "mirror")
    again = MlflowMirror(study.store)
    again.open(study.plan, None)
    assert again.sync(over=True), again.problem
    assert_equal(study.uri, study.store.root, study.plan)


@pytest.mark.parametrize("crash", (1, 2, 3, 4, 6, 9, 14, 20))
def test_a_crash_between_sending_and_noting_loses_and_doubles_nothing(
    study: Study, crash: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies right after its n-th write to the store."""
    study.plan = make_plan(seeds=1)
    study.write_all()
    left = crash

    def dying(name: str) -> Any:
        original = getattr(MlflowClient, name)

        def call(*args: Any, **keys: Any) -> Any:
            nonlocal left
            result = original(*args, **keys)
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return result

        return call

    with monkeypatch.context() as patch:
        for name in ("create_run", "log_batch", "log_artifacts", "set_tag", "set_terminated"):
            patch.setattr(MlflowClient, name, dying(name))
        with pytest.raises(KeyboardInterrupt):
            opened(study).sync()
    completing = MlflowMirror(study.store)
    completing.open(study.plan, None)
    assert completing.sync(over=True), completing.problem
    assert_equal(study.uri, study.store.root, study.plan)


def test_going_back_behind_mirrored_steps_replaces_the_run(study: Study) -> None:
    """A damaged checkpoint makes training resume from an older one."""
    mirror = opened(study)
    run = study.write("on0").begin().train(0, 20).checkpoint(20).train(20, 40).checkpoint(40)
    assert mirror.sync()
    run.log.close()
    run.begin(resumed=20).train(20, 40).checkpoint(40).evaluate(40).finish()
    assert mirror.sync()
    assert_equal(study.uri, study.store.root, study.plan)


def test_a_failed_run_shows_its_whole_curve_its_class_and_its_traceback(study: Study) -> None:
    mirror = opened(study)
    run = study.write("on0").begin().train(0, 20).checkpoint(20).train(20, 32)
    run.finish("failed", 32, failure="oom", message="out of memory", detail="Traceback: x")
    assert mirror.finish("failed")
    assert_equal(study.uri, study.store.root, study.plan)
    shown = runs(study)["se=on s0"]
    assert shown.info.status == "FAILED"
    assert shown.data.tags["failure"] == "oom"
    assert shown.data.tags["mlflow.note.content"] == "Failed (oom): out of memory"
    client = MlflowClient(study.uri)
    path = client.download_artifacts(shown.info.run_id, "failure/attempt_1.txt")
    assert Path(path).read_text() == "Traceback: x"
    retry = opened(study)
    run.begin(resumed=20).train(20, 40).checkpoint(40).evaluate(40).finish()
    assert retry.finish("complete")
    assert_equal(study.uri, study.store.root, study.plan)
    tags = runs(study)["se=on s0"].data.tags
    assert "failure" not in tags
    assert tags["status"] == "complete"


def test_a_killed_run_is_reaped_and_goes_on_in_place(study: Study) -> None:
    mirror = opened(study)
    run = study.write("on0").begin().train(0, 20).checkpoint(20).train(20, 32)
    assert mirror.sync()
    assert runs(study)["se=on s0"].info.status == "RUNNING"
    assert mirror.finish("stopped")
    killed = runs(study)["se=on s0"]
    assert killed.info.status == "KILLED"
    assert killed.data.tags["status"] == "stopped"
    run.log.close()
    again = opened(study)
    run.begin(resumed=20).train(20, 40).checkpoint(40).evaluate(40).finish()
    assert again.finish("complete")
    assert_equal(study.uri, study.store.root, study.plan)
    resumed = runs(study)["se=on s0"]
    assert resumed.info.run_id == killed.info.run_id
    parent = resumed.data.tags["mlflow.parentRunId"]
    assert parent == runs(study)["se_study demo #2"].info.run_id


def test_a_run_that_a_search_pruned_is_not_called_stopped(study: Study) -> None:
    searching = replace(study.plan, spec={"study": "se_study", "search": {"budget": {}}})
    study.store.save_plan(searching)
    mirror = opened(study, searching)
    run = study.write("on0").begin().train(0, 20).checkpoint(20)
    assert mirror.sync()
    note_pruned(study.store, "se_study", "demo", ["on0"], pruned=True)
    run.finish("stopped", step=20)
    assert mirror.sync()
    shown = runs(study)["se=on s0"]
    assert (shown.info.status, shown.data.tags["status"]) == ("KILLED", "pruned")
    note_pruned(study.store, "se_study", "demo", ["on0"], pruned=False)
    run.begin(resumed=20).train(20, 40).checkpoint(40).evaluate(40).finish()
    assert mirror.finish("complete")
    assert runs(study)["se=on s0"].data.tags["status"] == "complete"


def test_a_run_whose_worker_lives_is_not_reaped(study: Study) -> None:
    run = study.write("on0").begin().train(0, 20).checkpoint(20)
    completing = MlflowMirror(study.store)
    completing.open(study.plan, None)
    with held(run.folder):
        assert completing.sync()
        assert runs(study)["se=on s0"].info.status == "RUNNING"
    assert completing.sync()
    assert runs(study)["se=on s0"].info.status == "KILLED"


def test_an_invocation_that_was_killed_is_closed_by_the_next(study: Study) -> None:
    opened(study).sync()
    state = next(study.store.root.glob("mirror/*/se_study/invocations/*.json"))
    saved = json.loads(state.read_text())
    saved["process"]["started"] -= 1000.0
    state.write_text(json.dumps(saved))
    assert opened(study).sync()
    assert runs(study)["se_study demo #1"].info.status == "KILLED"
    assert runs(study)["se_study demo #2"].info.status == "RUNNING"


def test_a_reused_run_stays_under_the_invocation_that_made_it(study: Study) -> None:
    first = opened(study)
    study.write("on0").whole()
    assert first.finish("stopped")
    second = opened(study)
    study.write("off0").whole()
    assert second.finish("complete")
    shown = runs(study)
    parents = {run.info.run_id: name for name, run in shown.items()}
    of = {n: parents.get(r.data.tags.get("mlflow.parentRunId")) for n, r in shown.items()}
    assert of["se=on s0"] == "se_study demo #1"
    assert of["se=off s0"] == "se_study demo #2"


def test_names_params_tags_and_inputs(study: Study) -> None:
    mirror = opened(study)
    study.write_all()
    assert mirror.finish("complete")
    shown = runs(study)
    assert set(shown) == {
        *("se=on s0", "se=on s1", "se=off s0", "se=off s1", "average", "se_study demo #1")
    }
    off = shown["se=off s1"]
    assert off.data.params["arch.se.kind"] == "none"
    assert shown["se=on s0"].data.params["arch.se.kind"] == "squeeze_excite"
    assert off.data.params["data.size"] == "[16, 24]"
    assert off.data.params["recipe.crop"] == "16"
    assert "runtime.threads" not in off.data.params
    assert "recipe.crop" not in shown["average"].data.params
    expected = {"variant": "se=off", "factor.se": "off", "seed": "1", "run_id": "off1"}
    expected |= {"status": "complete", "attempt": "1", "device": "cpu", "test_step": "40"}
    assert expected.items() <= off.data.tags.items()
    assert off.data.tags["tempo.diff"].startswith("arch.se.kind: squeeze_excite -> none")
    assert shown["se=on s0"].data.tags["tempo.diff"] == "baseline"
    inputs = {each.dataset.digest: each.tags[0].value for each in off.inputs.dataset_inputs}
    assert inputs == {"d1": "training", "d2": "test"}
    assert off.data.metrics["cost/parameters"] == 1234
    assert off.data.metrics["cost/peak_memory_mib"] == 64
    assert "cost/gpu_hours" not in off.data.metrics


def test_the_experiment_and_its_parent_run_answer_which_variant(
    study: Study, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    report.mkdir()
    (report / "index.html").write_text("<p>report</p>")
    mirror = opened(study)
    study.write_all()
    assert mirror.finish("complete", [report], {"verdicts": 2.0})
    client = MlflowClient(study.uri)
    experiment = client.get_experiment_by_name("se_study")
    assert experiment.tags["tempo.question"] == "Does squeeze-and-excitation help?"
    assert experiment.tags["tempo.spec_hash"] == "0123abcd"
    assert experiment.tags["tempo.git_commit"] == "c0ffee"
    assert experiment.tags["tempo.versions.torch"] == "2.13.0"
    parent = runs(study)["se_study demo #1"]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mlflow.source.git.commit"] == "c0ffee"
    figures = parent.data.metrics
    assert figures["variants/se_off psnr mean"] == pytest.approx(32.0)
    assert figures["variants/se_off psnr std"] == pytest.approx(2**0.5)
    assert figures["variants/se_off psnr n"] == 2
    assert "variants/average psnr std" not in figures
    assert figures["verdicts"] == 2.0
    assert "| se=off | 2/2 | 32.00 ± 1.41 |" in parent.data.tags["mlflow.note.content"]
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert names == {"plan.json", "summary.csv", "report", "environment"}
    path = client.download_artifacts(parent.info.run_id, "environment/requirements.txt")
    assert f"mlflow=={version('mlflow')}\n" in Path(path).read_text()


def test_checkpoints_are_attached_only_on_request_and_only_small_ones(study: Study) -> None:
    mirror = opened(study, limits=Limits(checkpoint_mib=1.0))
    study.write("on0").whole()
    large = study.write("on1")
    large.begin().train(0, 40).checkpoint(40)
    (large.folder / "checkpoints/step-00000040.pt").write_bytes(bytes(2**20 + 1))
    large.evaluate(40).finish()
    assert mirror.sync(), mirror.problem
    client = MlflowClient(study.uri)
    shown = runs(study)
    listed = client.list_artifacts(shown["se=on s0"].info.run_id, "checkpoints")
    assert [file.path for file in listed] == ["checkpoints/step-00000040.pt"]
    assert client.list_artifacts(shown["se=on s1"].info.run_id, "checkpoints") == []


def test_a_picture_that_is_gone_is_said_and_the_rest_is_sent(study: Study) -> None:
    run = study.write("on0").whole()
    (run.folder / "gallery/0-target.png").unlink()
    mirror = opened(study)
    assert not mirror.sync()
    assert mirror.problem is not None
    assert "gallery/0-target.png is missing" in mirror.problem
    assert runs(study)["se=on s0"].info.status == "FINISHED"


def test_a_damaged_record_does_not_keep_the_others_back(study: Study) -> None:
    study.write("on0").whole()
    broken = study.write("off0").whole()
    with (broken.folder / "events.jsonl").open("a") as file:
        file.write("not json\n")
    mirror = opened(study)
    assert not mirror.sync()
    assert mirror.problem is not None
    assert "se=off s0" in mirror.problem
    assert "is no event" in mirror.problem
    assert runs(study)["se=on s0"].info.status == "FINISHED"


def test_a_deleted_experiment_is_not_brought_back_in_silence(study: Study) -> None:
    assert opened(study).sync()
    client = MlflowClient(study.uri)
    client.delete_experiment(client.get_experiment_by_name("se_study").experiment_id)
    mirror = opened(study)
    assert not mirror.sync()
    assert "mlflow experiments restore" in str(mirror.problem)


def test_a_new_database_gets_everything(study: Study, empty_database: Path) -> None:
    study.write_all()
    assert opened(study).finish("complete")
    Path(study.uri.removeprefix("sqlite:///")).unlink()
    again = MlflowMirror(study.store, f"sqlite:///{study.store.root}/./mlflow.db")
    assert again.uri != study.uri
    shutil.copy(empty_database, study.store.root / "mlflow.db")
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, None)
    assert mirror.sync(over=True), mirror.problem
    assert_equal(study.uri, study.store.root, study.plan)


def test_records_made_without_a_mirror_get_a_parent(study: Study) -> None:
    study.write_all()
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, None)
    assert mirror.sync(over=True), mirror.problem
    assert_equal(study.uri, study.store.root, study.plan)
    assert runs(study)["se_study demo #1"].info.status == "FINISHED"


def test_notes_are_readable(study: Study) -> None:
    from tempo.records.events import Noted

    run = study.write("on0").begin()
    (run.folder / "milestones.json").write_text("{}")
    for message in ("first", "second"):
        run.log.append(Noted(step=0, topic="oom", message=message, path="milestones.json"))
    run.checkpoint(0)
    assert opened(study).sync()
    client = MlflowClient(study.uri)
    shown = runs(study)["se=on s0"]
    path = client.download_artifacts(shown.info.run_id, "notes.txt")
    assert Path(path).read_text() == "step 0, oom: first\nstep 0, oom: second\n"
    files = client.list_artifacts(shown.info.run_id, "notes")
    assert [file.path for file in files] == ["notes/milestones.json"]


def test_non_finite_values_travel(study: Study) -> None:
    from tempo.records.events import Trained

    run = study.write("on0").begin()
    values = {"loss": float("nan"), "grad_norm": float("inf")}
    run.log.append(Trained(step=4, clips=1, epoch=0.1, values=values))
    run.checkpoint(4)
    assert opened(study).sync()
    shown = in_store(study.uri, "se_study")["on0"]
    assert shown.last["train/loss"] == "nan"
    assert shown.last["train/grad_norm"] > 1e308


def test_limits_the_gallery(study: Study) -> None:
    study.write("on0").whole()
    assert opened(study, limits=Limits(gallery=1)).sync()
    images = in_store(study.uri, "se_study")["on0"].images
    assert {key for key, _ in images if key.startswith("test/")} == {
        *("test/c0/prediction", "test/c0/error", "test/c0/target")
    }


def test_content_is_not_sent_for_an_empty_pass(study: Study) -> None:
    """A pass without news makes no request at all."""
    mirror = opened(study)
    study.write("on0").whole()
    assert mirror.sync()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventSender, "send", lambda *_: pytest.fail("sent again"))
        patch.setattr(MlflowClient, "log_batch", lambda *_, **__: pytest.fail("sent again"))
        assert mirror.sync(), mirror.problem
