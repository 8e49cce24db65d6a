"""X-TRAIN's layout on a tiny tree: windows of any spacing from one cache."""

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tempo.core.errors import MissingError
from tempo.data.batches import TrainBatches
from tempo.data.cache.shards import Shard
from tempo.data.cache.splits import SPLITS
from tempo.data.datasets import x4k1000fps
from tempo.data.open_dataset import check_available, open_split, prepare
from tempo.spec.data import X4k1000fps
from tempo.spec.recipe import Augment

SIDE = 12
PLAIN = Augment(flips=False, rot90=False, time_reversal=False)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Four scenes with one or two sequences of 65 small frames; frame k has the red k."""
    monkeypatch.setattr(x4k1000fps, "STORED", (SIDE, SIDE))
    for number, scene in enumerate(("002", "003", "010", "011")):
        for name in ("occ008.320_f4881", "occ008.322_f9")[: 1 + number % 2]:
            folder = tmp_path / "train" / scene / name
            folder.mkdir(parents=True)
            for k in range(65):
                pixels = np.full((SIDE, SIDE, 3), (k, number, len(name)), np.uint8)
                Image.fromarray(pixels).save(folder / f"{k:04d}.png")
    return tmp_path / "train"


def options(root, **change):
    kept = {"size": (SIDE, SIDE), "val": ("010",), "test": ("011",), "spacing": 8} | change
    return X4k1000fps(root=str(root), **kept)


def test_scenes_are_on_one_side_only(root, tmp_path):
    splits = prepare(options(root), tmp_path / "cache")
    sources = {name: {clip.source for clip in split} for name, split in splits.items()}
    assert sources == {"train": {"002", "003"}, "val": {"010"}, "test": {"011"}}
    assert {name: len(split) for name, split in splits.items()} == {"train": 3, "val": 1, "test": 2}


def test_judging_shows_the_central_window_and_its_middle(root, tmp_path):
    clip = open_split(options(root), "val", tmp_path / "cache")[0]
    assert [int(frame[0, 0, 0]) for frame in clip.frames] == [28, 36]
    assert (int(clip.target[0, 0, 0]), clip.target_time) == (32, 0.5)
    odd = open_split(options(root, spacing=5), "val", tmp_path / "cache")[0]
    assert (int(odd.target[0, 0, 0]), odd.target_time) == (31, 0.4)


def drawn(split, seed=0, epochs=40):
    batches = TrainBatches(split, seed=seed, batch=len(split), crop=8, augment=PLAIN)
    for step in range(epochs):
        batch = batches.batch(step)
        for row in range(len(split)):
            first, last = (int(batch.frames[row, k, 0, 0, 0]) for k in range(2))
            yield first, int(batch.target[row, 0, 0, 0]), last, float(batch.target_time[row])


def test_training_starts_anywhere_and_asks_at_any_time(root, tmp_path):
    seen = list(drawn(open_split(options(root), "train", tmp_path / "cache")))
    assert all(last - first == 8 and first < target < last for first, target, last, _ in seen)
    assert all(time == (target - first) / 8 for first, target, _, time in seen)
    assert min(first for first, *_ in seen) < 8
    assert max(last for *_, last, _ in seen) > 56
    assert {target - first for first, target, *_ in seen} == set(range(1, 8))


def test_draws_depend_on_seed_epoch_and_clip_alone(root, tmp_path):
    split = open_split(options(root), "train", tmp_path / "cache")
    assert list(drawn(split)) == list(drawn(split))
    assert list(drawn(split)) != list(drawn(split, seed=1))
    one = [split.draw(0, 0, epoch)[1].inputs for epoch in range(30)]
    assert len(set(one)) > 15


def test_middle_targets_only(root, tmp_path):
    split = open_split(options(root, target_times="middle"), "train", tmp_path / "cache")
    assert {time for *_, time in drawn(split)} == {0.5}


def test_one_cache_serves_every_spacing_and_digests_differ(root, tmp_path):
    cache = tmp_path / "cache"
    digests = {prepare(options(root, spacing=8), cache)["train"].digest}
    built = sorted(cache.rglob("frames.npy"))
    for spacing in (2, 16, 32, 64):
        digests.add(prepare(options(root, spacing=spacing), cache)["train"].digest)
    assert sorted(cache.rglob("frames.npy")) == built
    assert len(digests) == 5


def test_the_longest_spacing_has_one_start(root, tmp_path):
    split = open_split(options(root, spacing=64), "train", tmp_path / "cache")
    assert {(first, last) for first, _, last, _ in drawn(split, epochs=3)} == {(0, 64)}


def test_other_sizes_are_made_smaller(root, tmp_path):
    split = open_split(options(root, size=(8, 8)), "train", tmp_path / "cache")
    assert split[0].target.shape == (8, 8, 3)


def test_a_sequence_with_a_hole_is_left_out_and_named(root, tmp_path):
    path = root / "003" / "occ008.322_f9" / "0031.png"
    path.write_bytes(path.read_bytes()[:40])
    split = open_split(options(root), "train", tmp_path / "cache")
    assert split.skipped == ("003/occ008.322_f9",)
    assert str(path) in split.notes[0]
    assert len(split) == 2
    # Nothing of it is in the cache.
    assert sum(len(Shard(each.folder).pixels) for each in split.shards) == 2 * 65


def test_limit_takes_the_same_sequences_of_a_scene_always(root):
    names = list(x4k1000fps.sequences(options(root, limit=1), "train"))
    assert [name.split("/")[0] for name in names] == ["002", "003"]


def test_what_is_missing_is_named(root, tmp_path):
    check_available(options(root))
    with pytest.raises(MissingError, match="published at"):
        check_available(options(tmp_path / "nothing"))
    with pytest.raises(MissingError, match="unknown scene '012'"):
        check_available(options(root, val=("012",)))
    with pytest.raises(ValidationError, match="even spacing, not 5: choose 4 or 6"):
        options(root, spacing=5, target_times="middle")


def test_other_pictures_under_the_same_names_are_another_split(root, tmp_path):
    before = {name: x4k1000fps.plan_split(options(root), name, tmp_path) for name in SPLITS}
    for path in root.rglob("0032.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    for name, plan in before.items():
        after = x4k1000fps.plan_split(options(root), name, tmp_path)
        assert after.digest != plan.digest
        assert after.earlier_digest == plan.earlier_digest
        # The cache of the pictures that were there is not read for those that are there now.
        assert {shard.name for shard in after.shards}.isdisjoint(
            {shard.name for shard in plan.shards}
        )


@pytest.mark.parametrize("above", [1, 2])
def test_the_archive_around_the_training_part_may_be_given(root, tmp_path, above):
    (root.parent / "test").mkdir()
    place = root.parent
    if above == 2:
        place = tmp_path / "outer"
        place.mkdir()
        root.rename(place / "moved")
        (place / "x4k").mkdir()
        (place / "moved").rename(place / "x4k" / "train")
    found = x4k1000fps.scenes_by_split(options(place))
    assert {name: [*scenes] for name, scenes in found.items()} == {
        "train": ["002", "003"],
        "val": ["010"],
        "test": ["011"],
    }
