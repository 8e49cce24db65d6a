"""A method on a test set: what is recorded, what is skipped, what goes on where it stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from tempo.core.errors import MissingError, PluginError, RecordError, RunError, SpecError
from tempo.core.identity import short_hash
from tempo.data.testsets import open_test_set
from tempo.data.testsets.testset import TestSet
from tempo.metrics.references import REFERENCES
from tempo.models.family import build_model
from tempo.models.weight_files import save_weights
from tempo.records.files import sha256_of
from tempo.records.layout import Store
from tempo.records.method_results.evaluations import is_whole, load_evaluation
from tempo.train.evaluation import clip_evaluation as evaluate
from tempo.train.evaluation import method_evaluation as differences
from tempo.train.evaluation.kept_pictures import save_png, to_pixels
from tempo.train.evaluation.method_evaluation import (
    ROUNDED,
    ROWS,
    EvaluationSettings,
    evaluate_method,
)
from tempo.train.evaluation.methods import Method, of_file, reference
from tempo.train.inference.network_inference import make_inference
from tempo.workflow.names import find_method as find_one
from tempo.workflow.names import find_methods

from .conftest import Make, config

SHAPE = (48, 56)
FRAMES = (7, 5)
"""Frames of the two sequences: 3 and 2 targets."""


def quiet(done: int, total: int) -> None:
    """A progress that nobody looks at."""


def pictures(sequence: int) -> list[np.ndarray]:
    """A texture that moves by 2 px a frame."""
    random = np.random.default_rng(sequence)
    wide = gaussian_filter(random.random((SHAPE[0], SHAPE[1] + 40, 3)), (2, 2, 0))
    wide = (wide - wide.min()) / (wide.max() - wide.min())
    pixels = (255 * wide).astype(np.uint8)
    return [pixels[:, 2 * n : 2 * n + SHAPE[1]] for n in range(FRAMES[sequence])]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """DAVIS's layout: folders of numbered frames."""
    for sequence in range(len(FRAMES)):
        folder = tmp_path / "davis" / f"scene{sequence}"
        folder.mkdir(parents=True)
        for number, pixels in enumerate(pictures(sequence)):
            Image.fromarray(pixels).save(folder / f"{number:05d}.png")
    return tmp_path / "davis"


@pytest.fixture
def test_set(tree: Path) -> TestSet:
    return open_test_set("davis", tree)


@pytest.fixture
def settings() -> EvaluationSettings:
    return EvaluationSettings(
        inference=make_inference(device="cpu", threads=1),
        metrics=("psnr", "ssim", "flicker"),
        gallery=2,
        check=2,
    )


def weights(folder: Path, **arch: object) -> Path:
    """A weights file of a network that does something."""
    net = build_model(config({"arch": {"base_channels": 4, **arch}}).arch, 0)
    torch.nn.init.normal_(
        net.head.last.weight, std=0.05, generator=torch.Generator().manual_seed(0)
    )
    path = folder / "weights.pt"
    save_weights(path, net)
    return path


def test_a_record_holds_everything_that_the_numbers_mean(
    tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    method = of_file(weights(tmp_path), tmp_path)
    done = evaluate_method(method, test_set, settings, quiet)
    record = load_evaluation(done.folder)
    assert record == done.record and not done.reused
    assert done.folder.name == f"davis-{record.protocol_hash}"
    assert record.protocol_hash == short_hash(record.protocol) == record.asked_hash
    assert record.protocol["arithmetic"] == "float32" and record.protocol["tiling"] == "none"
    assert record.checkpoints[0]["sha256"] == sha256_of(tmp_path / "weights.pt")
    table = pd.read_parquet(done.folder / record.table)
    assert list(table.columns) == [
        "clip", "source", "motion", "occlusion", "target_time", "psnr", "ssim", "flicker",
    ]  # fmt: skip
    assert table["clip"].tolist() == [test_set.clip_id(index) for index in range(len(test_set))]
    assert record.values["psnr"] == pytest.approx(table["psnr"].mean())
    assert table["motion"].between(1, 8).all()
    assert len(record.gallery) == 2
    for entry in record.gallery:
        assert sha256_of(done.folder / entry["prediction"]) == entry["prediction_sha256"]
    assert not (done.folder / ROWS).exists()


def test_what_is_recorded_is_not_judged_again(
    tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    def fail(device: torch.device) -> None:
        raise AssertionError("judged again")

    method = reference("average", tmp_path)
    first = evaluate_method(method, test_set, settings, quiet)
    second = evaluate_method(replace(method, load=fail), test_set, settings, quiet)
    assert second.reused and second.record == first.record
    # More metrics, other weights, a damaged table: each is judged anew.
    more = replace(settings, metrics=(*settings.metrics, "ie"))
    assert not evaluate_method(method, test_set, more, quiet).reused
    other = replace(method, identity={"method": "average", "tempo": "0"})
    assert not evaluate_method(other, test_set, more, quiet).reused
    (first.folder / "clips.parquet").write_bytes(b"")
    assert not evaluate_method(other, test_set, more, quiet).reused
    assert is_whole(first.folder, load_evaluation(first.folder))


def test_other_pictures_under_the_same_names_are_judged_anew(
    tmp_path: Path, tree: Path, settings: EvaluationSettings
) -> None:
    method, cache = reference("nearest", tmp_path), tmp_path / "cache"
    first = evaluate_method(method, open_test_set("davis", tree, cache=cache), settings, quiet)
    again = evaluate_method(method, open_test_set("davis", tree, cache=cache), settings, quiet)
    assert again.reused
    for path in tree.rglob("*.png"):
        pixels = np.asarray(Image.open(path))
        Image.fromarray(255 - pixels // 2).save(path)
    other = evaluate_method(method, open_test_set("davis", tree, cache=cache), settings, quiet)
    assert not other.reused
    assert other.record.values["psnr"] > first.record.values["psnr"] + 5
    assert load_evaluation(first.folder) == first.record  # What was recorded stays.


def test_an_interrupted_evaluation_goes_on_and_ends_the_same(
    tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    asked: list[float] = []

    def stopping(limit: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        def predict(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
            if len(asked) >= limit:
                raise KeyboardInterrupt
            asked.append(float(frames[0, 0, 0, 0, 0]))
            return REFERENCES["average"](frames, times, moment)

        return predict

    undisturbed = evaluate_method(reference("average", tmp_path / "a"), test_set, settings, quiet)
    method = reference("average", tmp_path / "b")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "MOST_CLIPS", 1)
        with pytest.raises(KeyboardInterrupt):
            evaluate_method(
                replace(method, load=lambda device: stopping(4)), test_set, settings, quiet
            )
        folder = method.records / undisturbed.folder.name
        judged = [json.loads(line) for line in (folder / ROWS).read_text().splitlines()[1:]]
        assert [value["row"]["index"] for value in judged] == [0, 1, 2]
        with (folder / ROWS).open("a") as file:
            file.write('{"row": {"ind')  # what a killed process leaves
        asked.clear()
        done = evaluate_method(
            replace(method, load=lambda device: stopping(99)), test_set, settings, quiet
        )
    assert len(asked) == 2
    assert done.record.values == pytest.approx(undisturbed.record.values)
    assert done.record.gallery == undisturbed.record.gallery


@pytest.mark.parametrize("damaged", [None, "scene0/00002.png", "scene1/00003.png"])
def test_interrupted_after_any_clip_it_ends_in_the_same_bits(
    tmp_path: Path,
    tree: Path,
    settings: EvaluationSettings,
    damaged: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where clips look at their neighbours in time, and where some cannot be read."""
    if damaged:
        (tree / damaged).write_bytes(b"nothing")
    test_set = open_test_set("davis", tree)
    monkeypatch.setattr(evaluate, "MOST_CLIPS", 2)
    method = of_file(weights(tmp_path), tmp_path)
    whole = evaluate_method(replace(method, records=tmp_path / "w"), test_set, settings, quiet)
    table = (whole.folder / "clips.parquet").read_bytes()
    for after in range(1, len(test_set) + 1):
        told = iter(range(after))

        def tell(done: int, total: int, told: Iterator[int] = told) -> None:
            if next(told, None) is None:
                raise KeyboardInterrupt

        parts = replace(method, records=tmp_path / f"p{after}")
        if after < whole.record.clips:
            with pytest.raises(KeyboardInterrupt):
                evaluate_method(parts, test_set, settings, tell)
        done = evaluate_method(parts, test_set, settings, quiet)
        assert done.record.values == whole.record.values
        assert done.record.gallery == whole.record.gallery
        assert done.record.broken == whole.record.broken
        assert (done.folder / "clips.parquet").read_bytes() == table


def test_a_clip_that_breaks_before_its_batch_is_judged_loses_no_other(
    tmp_path: Path, tree: Path, settings: EvaluationSettings
) -> None:
    """The files of a batch are read before any of its clips is judged."""
    (tree / "scene1" / "00003.png").write_bytes(b"nothing")
    test_set = open_test_set("davis", tree)

    def dead(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        raise KeyboardInterrupt

    method = reference("average", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        evaluate_method(replace(method, load=lambda device: dead), test_set, settings, quiet)
    record = evaluate_method(method, test_set, settings, quiet).record
    assert record.clips == 4 and len(record.broken) == 1


def test_a_broken_clip_is_counted_and_never_averaged_in(
    tmp_path: Path, tree: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    sound = evaluate_method(reference("average", tmp_path), test_set, settings, quiet)
    victim = tree / "scene1" / "00003.png"
    victim.write_bytes(victim.read_bytes()[:60])
    damaged = open_test_set("davis", tree)
    done = evaluate_method(reference("average", tmp_path), damaged, settings, quiet, again=True)
    (broken,) = done.record.broken
    assert broken in {test_set.clip_id(index) for index in range(5)}
    assert str(victim) in done.record.broken[broken]
    table = pd.read_parquet(done.folder / done.record.table)
    assert len(table) == done.record.clips == 4
    assert done.record.values["psnr"] == pytest.approx(table["psnr"].mean())
    assert done.record.protocol_hash != sound.record.protocol_hash
    assert done.record.protocol_hash != done.record.asked_hash
    assert "4 clips" in " ".join(done.record.notes) or "left out" in " ".join(done.record.notes)


def test_a_set_without_one_sound_clip_is_an_error(
    tmp_path: Path, tree: Path, settings: EvaluationSettings
) -> None:
    opened = open_test_set("davis", tree)
    for path in tree.rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(MissingError, match="not one of 5 clips"):
        evaluate_method(reference("average", tmp_path), opened, settings, quiet)


def test_pictures_of_others_stand_beside_a_network(
    tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    """What averaging predicts, written as files, scores what averaging scores."""
    rounded, exact = tmp_path / "png", tmp_path / "npy"
    for clip in test_set:
        inputs = torch.from_numpy(clip.frames.copy()).permute(0, 3, 1, 2).float().div(255)[None]
        mean = REFERENCES["average"](inputs, torch.tensor([clip.times]), torch.tensor([0.5]))[0]
        for folder in (rounded, exact):
            (folder / clip.id).parent.mkdir(parents=True, exist_ok=True)
        np.save(exact / f"{clip.id}.npy", mean.permute(1, 2, 0).numpy())
        save_png(rounded / f"{clip.id}.png", to_pixels(mean))
    store = Store(tmp_path / "records")
    called = evaluate_method(reference("average", store.root), test_set, settings, quiet).record
    found = evaluate_method(find_one(str(exact), store), test_set, settings, quiet).record
    assert found.protocol_hash == called.protocol_hash
    assert found.values == pytest.approx(called.values, rel=1e-5)
    eight_bit = evaluate_method(find_one(str(rounded), store), test_set, settings, quiet).record
    assert eight_bit.protocol_hash != called.protocol_hash
    assert eight_bit.protocol["prediction"] == ROUNDED
    also = evaluate_method(
        reference("average", store.root), test_set, replace(settings, rounded=True), quiet
    ).record
    assert also.protocol_hash == eight_bit.protocol_hash
    assert also.values["psnr"] == pytest.approx(eight_bit.values["psnr"], abs=2e-3)


def test_a_missing_picture_is_a_broken_clip(
    tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    folder = tmp_path / "outputs"
    for index in range(1, len(test_set)):
        clip = test_set[index]
        (folder / clip.id).parent.mkdir(parents=True, exist_ok=True)
        shape = clip.target.shape if index > 1 else (8, 8, 3)
        Image.fromarray(np.zeros(shape, np.uint8)).save(folder / f"{clip.id}.png")
    record = evaluate_method(
        find_one(str(folder), Store(tmp_path)), test_set, settings, quiet
    ).record
    assert list(record.broken) == [test_set.clip_id(0), test_set.clip_id(1)]
    assert "no picture of clip" in record.broken[test_set.clip_id(0)]
    assert "[8, 8, 3]" in record.broken[test_set.clip_id(1)]
    assert record.clips == 3


EXTERNAL = """
import torch

def blend(frames, times, target_time):
    assert frames.dtype == torch.float32 and frames.shape[1:3] == (2, 3)
    return frames.mean(dim=1)

class Network(torch.nn.Module):
    def forward(self, frames, times, target_time):
        assert not self.training
        return frames.mean(dim=1)

def small(frames, times, target_time):
    return frames[:, 0, :, ::2]

limit = 3
"""


@pytest.fixture
def external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"external_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(EXTERNAL)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("name", ["blend", "Network"])
def test_a_callable_stands_in_the_same_table(
    external: str, name: str, tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    store = Store(tmp_path / "records")
    expected = evaluate_method(reference("average", store.root), test_set, settings, quiet).record
    method = find_one(f"{external}:{name}", store)
    record = evaluate_method(method, test_set, settings, quiet).record
    assert record.protocol_hash == expected.protocol_hash
    assert record.values == pytest.approx(expected.values, abs=1e-4)
    assert record.identity["source"] == sha256_of(tmp_path / f"{external}.py")


def test_a_callable_that_does_not_fit_says_so(
    external: str, tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    store = Store(tmp_path)
    with pytest.raises(PluginError, match=r"must return a tensor of shape \[\d, 3, 48, 56\]"):
        evaluate_method(find_one(f"{external}:small", store), test_set, settings, quiet)
    with pytest.raises(MissingError, match="which cannot be called"):
        find_one(f"{external}:limit", store)
    with pytest.raises(MissingError, match="cannot import"):
        find_one(f"{external}:nothing", store)


def test_other_arithmetic_is_another_protocol_and_is_compared(
    tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    method = of_file(weights(tmp_path), tmp_path)
    whole = evaluate_method(method, test_set, settings, quiet).record
    assert whole.compared is None
    half = replace(settings, inference=make_inference(device="cpu", precision="bf16", threads=1))
    record = evaluate_method(method, test_set, half, quiet).record
    assert record.protocol_hash != whole.protocol_hash
    assert record.compared is not None and record.compared.clips == 2
    assert set(record.compared.differences) == {"psnr", "ssim"}
    assert 0 < abs(record.compared.differences["psnr"]) < 1


def test_a_metric_that_moves_is_flagged(
    tmp_path: Path,
    tree: Path,
    test_set: TestSet,
    settings: EvaluationSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = of_file(weights(tmp_path), tmp_path)
    half = replace(settings, inference=make_inference(device="cpu", precision="bf16", threads=1))
    for limit, flagged in ((0.0, ("psnr",)), (10.0, ())):
        monkeypatch.setattr(differences, "LIMIT", limit)
        compared = differences.compare_with_default(method, test_set, half)
        assert compared is not None and compared.flagged == flagged


def test_tiles_are_a_protocol_of_their_own(
    tmp_path: Path, settings: EvaluationSettings, test_set: TestSet
) -> None:
    tiles = replace(settings, inference=make_inference(device="cpu", tile=64, threads=1))
    record = evaluate_method(reference("average", tmp_path), test_set, tiles, quiet).record
    assert record.protocol["tiling"].startswith("tiles of 64 with an overlap of 16 px")
    assert record.compared is not None
    assert record.compared.differences == {"psnr": 0.0, "ssim": 0.0}


def test_frames_too_large_for_the_device_name_the_way_out(
    tmp_path: Path, test_set: TestSet, settings: EvaluationSettings
) -> None:
    def full(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("no memory")

    method = replace(reference("average", tmp_path), load=lambda device: full)
    with pytest.raises(RunError, match="try --tile 512"):
        evaluate_method(method, test_set, settings, quiet)


def test_flicker_is_not_applicable_where_targets_stand_alone(
    tmp_path: Path, tree: Path, settings: EvaluationSettings
) -> None:
    for path in sorted(tree.rglob("*.png")):
        if int(path.stem) > 2:
            path.unlink()
    record = evaluate_method(
        reference("average", tmp_path), open_test_set("davis", tree), settings, quiet
    ).record
    assert "flicker" not in record.values
    assert record.not_applicable == {"flicker": "the set has no consecutive targets"}


def test_a_run_is_judged_with_the_weights_it_chose(
    undisturbed: Make, test_set: TestSet, settings: EvaluationSettings, cache: Path
) -> None:
    from tempo.data.open_dataset import open_split
    from tempo.records.run_record import read_run
    from tempo.train.evaluation.run_evaluation import SpecTestSplit

    folder = undisturbed()
    store = Store(folder.parents[1])
    recorded = read_run(folder).test
    assert recorded is not None
    own = SpecTestSplit("own", open_split(config().data, "test", cache), config().data)
    for text in (str(folder), folder.name, folder.name[:6]):
        method = find_one(text, store)
        assert method.run_id == folder.name
    names = tuple(recorded.values)
    done = evaluate_method(method, own, replace(settings, metrics=names), quiet)
    assert done.folder.parent == folder / "evaluations"
    assert done.record.protocol_hash == recorded.protocol_hash
    assert done.record.values == pytest.approx(dict(recorded.values), rel=1e-6)
    (checkpoint,) = done.record.checkpoints
    assert checkpoint["step"] == recorded.step
    assert checkpoint["sha256"] == sha256_of(Path(checkpoint["path"]))


@pytest.mark.parametrize("how", ["last", "average", "ensemble"])
def test_every_way_of_choosing_weights_can_be_evaluated(
    how: str, undisturbed: Make, settings: EvaluationSettings, cache: Path
) -> None:
    from tempo.data.open_dataset import open_split
    from tempo.records.run_record import read_run
    from tempo.train.evaluation.run_evaluation import SpecTestSplit

    over = {"evaluation": {"select": how, "over": 2, "val_every": 5, "gallery": 2}}
    folder = undisturbed(**over)
    recorded = read_run(folder).test
    assert recorded is not None
    own = SpecTestSplit("own", open_split(config(over).data, "test", cache), config(over).data)
    method = find_one(str(folder), Store(folder.parents[1]))
    record = evaluate_method(
        method, own, replace(settings, metrics=tuple(recorded.values)), quiet
    ).record
    assert record.values == pytest.approx(dict(recorded.values), rel=1e-5)
    assert len(record.checkpoints) == (1 if how == "last" else 2)


def test_a_training_checkpoint_is_judged_where_it_lies(undisturbed: Make, tmp_path: Path) -> None:
    folder = undisturbed()
    path = sorted((folder / "checkpoints").glob("*.pt"))[-1]
    method = find_one(str(path), Store(folder.parents[1]))
    assert method.records == folder / "evaluations" / path.stem
    moved = tmp_path / "elsewhere" / "checkpoints" / path.name
    moved.parent.mkdir(parents=True)
    moved.write_bytes(path.read_bytes())
    with pytest.raises(RecordError, match="leave it in the run's folder"):
        find_methods(str(moved), Store(tmp_path))


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "some.pt"
    path.write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(RecordError, match="cannot be read as a checkpoint"):
        find_methods(str(path), Store(tmp_path))
    torch.save({"weights": 1}, path)
    with pytest.raises(RecordError, match="neither a checkpoint nor a weights file"):
        find_methods(str(path), Store(tmp_path))


def test_an_unknown_name_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="did you mean 'average'"):
        find_methods("avarage", Store(tmp_path))


def test_an_overlap_needs_tiles() -> None:
    with pytest.raises(SpecError, match="needs --tile"):
        make_inference(device="cpu", overlap=16)


def test_equal_infinities_differ_by_nothing() -> None:
    assert differences._less(math.inf, math.inf) == 0.0
    assert math.isnan(differences._less(30.0, math.inf))


def test_a_method_stays_the_same_when_it_is_named_twice(tmp_path: Path) -> None:
    one, other = (reference("average", tmp_path) for _ in range(2))
    assert isinstance(one, Method) and one.identity == other.identity
