"""Runs whose losses look through frozen networks: VGG features, and the prediction of a teacher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tempo.core.errors import SpecError
from tempo.core.records import Parent, RunSpec
from tempo.models.family import build_model
from tempo.models.weight_files import save_weights
from tempo.records.files import sha256_of
from tempo.records.layout import Store
from tempo.records.parent_runs import recorded_weights
from tempo.records.reuse import reuse_status
from tempo.records.run_record import read_run
from tempo.spec.recipe import Recipe
from tempo.spec.study import RunConfig, identity, result_fields, run_id
from tempo.train.hardware.preflight import missing, rehearse, small_trainer
from tempo.train.run import run_folder as worker
from tempo.train.run.parent_weights import load_parent
from tempo.train.run.teachers import load_teachers
from tests.reference_vgg import small_vgg

from .conftest import Make, broken_at, config, final_state, save_run
from .test_resume import differences
from .test_start import chosen_weights, note


def features(**over: Any) -> dict[str, Any]:
    """A recipe's loss on pixels, features and style."""
    looked = {"weights": small_vgg() | over, "layers": {"relu1_2": 1.0, "relu3_1": 0.5}}
    terms = [
        {"loss": "l1"},
        {"loss": {"kind": "perceptual", **looked}, "weight": 0.1, "start": 0.4},
        {"loss": {"kind": "style", **looked}, "weight": 10.0, "final": 20.0},
    ]
    return {"recipe": {"loss": {"kind": "sum", "terms": terms}}}


def taught(teacher: str = "first", **over: Any) -> dict[str, Any]:
    terms = [{"loss": "l1"}, {"loss": {"kind": "distillation", "teacher": teacher, **over}}]
    return {"recipe": {"loss": {"kind": "sum", "terms": terms}, "lr": 5e-4}}


def pupil_of(parent: Parent, over: dict[str, Any], root: Path, name: str = "pupil0000001") -> Path:
    made = config(over)
    spec = RunSpec(run_id=name, seed=0, config=made.model_dump(mode="json"), parents=(parent,))
    return Store(root).save_run(spec)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    arch = {"arch": {"base_channels": 6, "blocks": [0, 0, 1, 1]}}
    folder = save_run(tmp_path_factory.mktemp("school"), 0, arch)
    assert worker.run(folder, cache) == 0
    return folder


@pytest.mark.parametrize("step", [2, 7])
def test_resumed_equals_undisturbed_with_features(
    undisturbed: Make, make: Make, cache: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = undisturbed(**features()), make(**features())
    broken_at(step, monkeypatch)
    assert worker.run(broken, cache) == 1
    assert worker.run(broken, cache) == 0
    assert differences(whole, broken) == []
    terms = {name for name in read_run(whole).train[-1].values if name.startswith("loss/")}
    assert terms == {"loss/l1", "loss/perceptual", "loss/style"}
    assert not any("features" in name for name in final_state(whole)["trainer"]["model"])


def test_a_file_counts_by_its_hash_wherever_it_lies() -> None:
    one, moved = config(features()), config(features(path="elsewhere/vgg.pth"))
    other = config(features(sha256="0" * 64))
    assert identity(one, 0) == identity(moved, 0) != identity(other, 0)


def test_a_missing_or_another_file_is_said_before_anything_is_trained(
    make: Make, cache: Path, tmp_path: Path
) -> None:
    for over, said in (
        ({"path": str(tmp_path / "gone.pth")}, "gone.pth does not exist"),
        ({"sha256": "0" * 64}, "is another file than the spec asks for"),
    ):
        wrong = features(**over)
        (sentence,) = missing(config(wrong))
        assert said in sentence
        folder = make(said[:4], **wrong)
        assert worker.run(folder, cache) == 1
        record = read_run(folder)
        assert record.finish is not None and said in record.finish.message
        assert record.finish.failure == "data" and record.train == () and record.checkpoints == ()
    assert missing(config(features())) == []
    # A stage's loss is looked at as well, and a method without weights has none.
    stages = [{"budget": {"steps": 1}, "loss": features(sha256="0" * 64)["recipe"]["loss"]}]
    assert len(missing(config({"recipe": {"stages": stages}}))) == 1
    assert missing(config({"method": "average", **features(sha256="0" * 64)})) == []


def test_a_crop_that_is_too_small_for_a_layer_is_said_before_anything_is_trained() -> None:
    deep = {"kind": "perceptual", "weights": small_vgg()}
    with pytest.raises(SpecError, match="is 8, and the loss needs pictures of at least 16"):
        rehearse(config({"recipe": {"loss": deep, "crop": 8}}))
    assert rehearse(config({"recipe": {"loss": deep, "crop": 16}})) > 0


@pytest.mark.parametrize("precision", ["fp64", "bf16"])
def test_every_precision_computes_them(precision: str) -> None:
    assert rehearse(config(features() | {"recipe": {**features()["recipe"],
                                                   "precision": precision}})) > 0  # fmt: skip
    assert rehearse(config({"recipe": {**taught()["recipe"], "precision": precision}})) > 0


def test_stages_with_one_loss_share_one_network() -> None:
    stages = [{"budget": {"steps": 1}}, {"budget": {"steps": 1}, "loss": "l1"}]
    over = {"recipe": {**features()["recipe"], "stages": stages}}
    first, second, third = small_trainer(config(over), torch.device("cpu")).objectives
    assert first is second is not third


def test_a_run_learns_from_what_its_teachers_result_was_made_with(
    teacher: Path, cache: Path
) -> None:
    parent = Parent(source="first", run_id=teacher.name)
    over = taught(loss={"kind": "charbonnier", "eps": 0.01})
    over["recipe"] |= {"budget": {"steps": 1}}
    over["runtime"] = {"log_every": 1}
    folder = pupil_of(parent, over, teacher.parents[1], "learned00001")
    assert worker.run(folder, cache) == 0
    record = read_run(folder)
    told = note(record, "teacher")
    assert told.values == {
        "source": "first",
        "run_id": teacher.name,
        "weights": recorded_weights(teacher),
    }
    assert told.message.startswith(f"learns from first (run {teacher.name}, weights ")
    # The first step's terms, computed by hand from the teacher's chosen weights.
    from tempo.data.open_dataset import open_split
    from tempo.train.hardware.process_group import Group
    from tempo.train.run.batch_stream import Steps, horizon

    made = config(over)
    split = open_split(made.data, "train", cache)
    steps = Steps(
        split, recipe=made.recipe, horizon=horizon(made.recipe, 12), seed=0, group=Group()
    )
    batch = steps[0]
    frames, target = batch.frames.float() / 255, batch.target.float() / 255
    network = build_model(RunConfig.model_validate(read_run(teacher).spec.config).arch, 3)
    network.load_state_dict(chosen_weights(teacher))
    mine, theirs = (
        each(frames, batch.times, batch.target_time).detach()
        for each in (build_model(made.arch, 0), network.eval())
    )
    values = record.train[0].values
    distance = ((mine - theirs).square() + 0.01**2).sqrt().mean().item()
    assert values["loss/distillation"] == pytest.approx(distance, rel=1e-5)
    assert values["loss/l1"] == pytest.approx((mine - target).abs().mean().item(), rel=1e-5)


@pytest.mark.parametrize("step", [0, 5, 9])
def test_resumed_equals_undisturbed_with_a_teacher(
    teacher: Path, cache: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = Parent(source="first", run_id=teacher.name)
    over = taught()
    # The teacher comes in the second stage only, so that it matters after steps were saved.
    over["recipe"] = {
        "budget": {"steps": 6},
        "stages": [{"budget": {"steps": 6}, "loss": over["recipe"]["loss"]}],
    }
    whole = pupil_of(parent, over, teacher.parents[1], "resumed00001")
    if not reuse_status(whole).complete:
        assert worker.run(whole, cache) == 0
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / teacher.name).symlink_to(teacher)
    broken = pupil_of(parent, over, tmp_path)
    broken_at(step, monkeypatch)
    assert worker.run(broken, cache) == 1
    assert worker.run(broken, cache) == 0
    assert differences(whole, broken) == []
    assert note(read_run(broken), "teacher").values == note(read_run(whole), "teacher").values
    assert not any(name.startswith("teacher") for name in final_state(broken)["trainer"]["model"])


def test_a_teacher_that_is_trained_again_makes_its_pupils_stale(
    tmp_path: Path, cache: Path
) -> None:
    first = save_run(tmp_path, 0, {})
    parent = Parent(source="first", run_id=first.name)
    pupil = pupil_of(parent, taught(), tmp_path)
    assert worker.run(pupil, cache) == 85, "it waits for its teacher"
    assert worker.run(first, cache) == 0
    assert worker.run(pupil, cache) == 0
    assert not reuse_status(pupil).stale
    events = first / "events.jsonl"
    events.write_text(events.read_text().replace(str(recorded_weights(first)), "0" * 64))
    assert reuse_status(pupil).why == (
        f"made from the weights of run {first.name}, which was trained again"
    )


def test_the_teachers_run_counts_for_the_identity_and_not_its_name() -> None:
    one, other = (result_fields(config(taught(name))) for name in ("a", "b"))
    same = [run_id(each, "network", 0, {name: "run1"}) for each, name in ((one, "a"), (other, "b"))]
    assert same[0] == same[1] != run_id(one, "network", 0, {"a": "run2"})


Saver = Callable[[Path, Path], Path]


def weights_file(folder: Path, teacher: Path) -> Path:
    network = build_model(RunConfig.model_validate(read_run(teacher).spec.config).arch, 0)
    network.load_state_dict(chosen_weights(teacher))
    save_weights(folder / "teacher.pt", network)
    return folder / "teacher.pt"


def checkpoint(folder: Path, teacher: Path) -> Path:
    return sorted((teacher / "checkpoints").glob("step-*.pt"))[-1]


@pytest.mark.parametrize("save", [weights_file, checkpoint])
def test_a_file_can_teach(save: Saver, teacher: Path, cache: Path, tmp_path: Path) -> None:
    path = save(tmp_path, teacher)
    parent = Parent(source=str(path), sha256=sha256_of(path))
    over = taught(str(path))
    assert rehearse(config(over), {str(path): {"path": str(path)}}) > 0
    folder = pupil_of(parent, over, tmp_path)
    assert worker.run(folder, cache) == 0
    assert note(read_run(folder), "teacher").values["weights"] == parent.sha256
    loaded, _ = load_teachers(
        config(over).recipe, {str(path): load_parent(parent, folder.parent)}, folder.parent
    )
    (network,) = loaded.values()
    assert network.arch.base_channels == 6  # type: ignore[union-attr]


def test_a_file_of_an_unknown_network_cannot_teach(teacher: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.pt"
    torch.save(chosen_weights(teacher), path)
    with pytest.raises(Exception, match="does not say of which network its weights are"):
        rehearse(config(taught(str(path))), {str(path): {"path": str(path)}})


def test_the_distance_from_a_teacher_is_a_single_loss() -> None:
    for wrong in (
        {"kind": "sum", "terms": [{"loss": "l1"}]},
        {"kind": "distillation", "teacher": "a"},
    ):
        with pytest.raises(Exception, match=f"is a single loss, not {wrong['kind']}"):
            Recipe.model_validate(taught(loss=wrong)["recipe"] | {"budget": {"steps": 1}})
