"""Mixtures: exact shares, whole rounds, a pure function of (seed, epoch)."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo.core.budget_course import Course
from tempo.core.errors import SpecError
from tempo.data.batches import TrainBatches
from tempo.data.cache.mixed_split import MixedSplit, Part
from tempo.data.cache.shards import Entry, Shard, write_shard
from tempo.data.cache.splits import Split
from tempo.data.open_dataset import open_split, prepare
from tempo.spec.data import Mixture
from tempo.spec.recipe import Augment


def shard(folder, red, clips, inputs=2):
    def fill(writer):
        for clip in range(clips):
            pixels = np.full((8, 8, 3), (red, clip, 0), np.uint8)
            places = tuple(writer.picture(pixels) for _ in range(inputs))
            writer.clip(
                Entry(
                    id=str(clip), source="s", inputs=places, targets=places[:1],
                    times=tuple(np.linspace(0, 1, inputs)), target_times=(0.5,),
                )
            )  # fmt: skip

    write_shard(folder, (8, 8), fill)
    return Shard(folder)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    lengths = {"a": 10, "b": 4, "c": 7}
    return {
        name: Split("train", name, [shard(folder / name, red, length)])
        for red, (name, length) in enumerate(lengths.items())
    }


def mixed(parts, weights):
    return MixedSplit("train", [Part(name, w, parts[name]) for name, w in weights.items()])


def names(split, epoch, seed=0):
    return [split.locate(int(index))[1].id for index in split.order(seed, epoch)]


@given(
    weights=st.lists(st.floats(0.01, 50), min_size=3, max_size=3),
    epoch=st.integers(0, 50),
    seed=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None)
def test_an_epoch_holds_each_part_in_its_share(parts, weights, epoch, seed):
    split = mixed(parts, dict(zip("abc", weights, strict=True)))
    order = split.order(seed, epoch)
    assert len(order) == len(split) == 21
    counts = Counter(name.split("/")[0] for name in names(split, epoch, seed))
    for name, weight in zip("abc", weights, strict=True):
        assert abs(counts[name] - 21 * weight / sum(weights)) < 1
    np.testing.assert_array_equal(order, split.order(seed, epoch))


def test_each_clip_is_seen_before_any_is_seen_again(parts):
    split = mixed(parts, {"a": 1.0, "b": 3.0})
    seen = [name for epoch in range(12) for name in names(split, epoch) if name[0] == "b"]
    counts = Counter(seen)
    assert len(counts) == 4
    assert max(counts.values()) - min(counts.values()) <= 1


def test_orders_differ_between_epochs_and_seeds(parts):
    split = mixed(parts, {"a": 1.0, "b": 1.0})
    orders = [names(split, epoch, seed) for epoch in range(3) for seed in range(3)]
    assert len({tuple(order) for order in orders}) == 9


def test_batches_come_from_all_parts_and_clips_are_told_apart(parts):
    split = mixed(parts, {"a": 1.0, "c": 1.0})
    plain = Augment(flips=False, rot90=False, time_reversal=False)
    batches = TrainBatches(split, seed=0, batch=17, crop=8, augment=plain)
    reds = Counter(batches.batch(0).target[:, 0, 0, 0].tolist())
    assert reds.keys() == {0, 2}
    assert abs(reds[0] - reds[2]) <= 1
    assert split[0].id == "a/0"
    assert split[-1].id == "c/6"
    assert split[-1].source == "c/s"
    with pytest.raises(IndexError):
        split[17]


def test_weights_and_parts_are_in_the_digest(parts):
    digests = {
        mixed(parts, weights).digest
        for weights in ({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 1.0})
    }
    assert len(digests) == 3


def test_a_part_is_left_out_before_its_start(parts):
    later = MixedSplit(
        "train", [Part("a", 1.0, parts["a"]), Part("b", 3.0, parts["b"], start=0.5)]
    ).within(Course((100,), 1))
    seen = [name[0] for epoch in range(8) for name in names(later, epoch)][:100]
    assert set(seen[:50]) == {"a"}
    assert list(later.beginning()) == list(range(10))
    assert list(mixed(parts, {"a": 1.0, "b": 1.0}).beginning()) == list(range(14))
    # Epochs of 14 clips: the part joins inside the fourth, at the very sample.
    assert seen[50:56].count("b") == 4
    assert 36 <= seen[50:].count("b") <= 39
    assert names(later, 5) == names(later, 5)
    for epoch in range(8):
        assert len(names(later, epoch)) == len(later) == 14


def test_each_clip_of_a_later_part_is_seen_before_any_is_seen_again(parts):
    later = MixedSplit(
        "train", [Part("a", 1.0, parts["a"]), Part("c", 1.0, parts["c"], start=0.3)]
    ).within(Course((170,), 1))
    counts = Counter(name for epoch in range(10) for name in names(later, epoch))
    for part in "ac":
        found = [count for name, count in counts.items() if name[0] == part]
        assert max(found) - min(found) <= 1
    assert len(counts) == 17


def test_a_start_is_in_the_digest_and_no_start_changes_nothing(parts):
    plain = mixed(parts, {"a": 1.0, "b": 2.0})
    later = MixedSplit("train", [Part("a", 1.0, parts["a"]), Part("b", 2.0, parts["b"], 0.5)])
    assert plain.digest != later.digest
    assert names(plain.within(Course((50,), 1)), 3) == names(plain, 3)
    # As it was before parts could start later: records of then hold this order's digest.
    assert names(plain, 1)[:5] == BEFORE


def test_parts_show_the_same_number_of_frames(parts, tmp_path):
    four = Split("train", "four", [shard(tmp_path / "four", 5, 3, inputs=4)])
    with pytest.raises(SpecError, match="a shows 2, four shows 4"):
        mixed(parts | {"four": four}, {"a": 1.0, "four": 1.0})


BEFORE = ["a/8", "a/7", "a/3", "b/3", "b/0"]

TINY = {"kind": "procedural", "size": [16, 16], "motion": [0.0, 2.0], "val_clips": 2,
        "test_clips": 2}  # fmt: skip


def mixture(*parts):
    return Mixture.model_validate({"parts": list(parts)})


def test_a_mixture_is_opened_from_a_spec(tmp_path):
    spec = mixture(
        {"data": TINY | {"train_clips": 6}, "weight": 2.0, "name": "slow"},
        {"data": TINY | {"train_clips": 3, "seed": 1}, "name": "other"},
    )
    told = []
    splits = prepare(spec, tmp_path, lambda done, total, what: told.append((done, total)))
    assert {name: len(split) for name, split in splits.items()} == {"train": 9, "val": 4, "test": 4}
    assert told[-1][0] == told[-1][1]
    assert splits["train"].shares() == [6, 3]
    assert [clip.id.split("/")[0] for clip in splits["test"]] == ["slow"] * 2 + ["other"] * 2
    assert open_split(spec, "train", tmp_path).digest == splits["train"].digest


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([{"data": "procedural"}, {"data": "procedural"}], "need names of their own"),
        ([], "at least 1 item"),
        ([{"data": "procedural", "weight": 0.0}], "'procedural' of the mixture has no weight"),
        ([{"data": "procedural", "weight": -1.0}], "greater than or equal to 0"),
        ([{"data": "procedural", "start": 0.5}], "needs a part to begin with, one with `start: 0`"),
        ([{"data": "procedural", "weight": 0.0, "final": 1.0}], "needs a part to begin with"),
        ([{"data": "procedural", "final": 0.0}], "needs a part to end with"),
        ([{"data": {"kind": "mixture", "parts": [{"data": "procedural"}]}}], "not mixtures"),
    ],
)
def test_wrong_mixtures_are_refused(parts, said):
    with pytest.raises(ValueError, match=said):
        mixture(*parts)
