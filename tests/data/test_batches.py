"""Laws of the training order: a pure function of (seed, step)."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo.core.errors import SpecError
from tempo.data.batches import TrainBatches, write_turned
from tempo.data.cache.shards import Entry, Shard, write_shard
from tempo.data.cache.splits import Split
from tempo.spec.recipe import Augment

CLIPS, SIDE = 7, 12
NONE = Augment(flips=False, rot90=False, time_reversal=False)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Clip k has pictures whose red is 8k + place, green the row, blue the column."""
    folder = tmp_path_factory.mktemp("shard") / "one"

    def fill(writer):
        rows, cols = np.mgrid[:SIDE, :SIDE].astype(np.uint8)
        for clip in range(CLIPS):
            places = [
                writer.picture(np.stack([np.full_like(rows, 8 * clip + k), rows, cols], -1))
                for k in range(4)
            ]
            writer.clip(
                Entry(
                    id=str(clip), source="s", inputs=(places[0], places[1]), times=(0.0, 1.0),
                    targets=(places[2], places[3]), target_times=(0.25, 0.5),
                )
            )  # fmt: skip

    write_shard(folder, (SIDE, SIDE), fill)
    return Split("train", "digest", [Shard(folder)])


def batches(split, augment=None, **settings_):
    kept = {"seed": 0, "batch": 3, "crop": 8} | settings_
    return TrainBatches(split, augment=augment or Augment(rot90=True), **kept)


def test_form(split):
    batch = batches(split).batch(0)
    assert batch.frames.shape == (3, 2, 3, 8, 8)
    assert batch.frames.dtype == batch.target.dtype == torch.uint8
    assert batch.frames.stride()[2] == batch.target.stride()[1] == 1
    assert batch.times.shape == (3, 2)
    assert batch.target_time.shape == batch.indices.shape == (3,)
    assert batch.times.dtype == batch.target_time.dtype == torch.float32


def test_any_step_can_be_asked_first(split):
    forward = [batches(split).batch(step) for step in range(9)]
    source = batches(split)
    for step in (8, 2, 5, 2):
        one, other = source.batch(step), forward[step]
        for name in ("frames", "times", "target", "target_time", "indices"):
            assert torch.equal(getattr(one, name), getattr(other, name))


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 20), seed=st.integers(0, 1000))
def test_every_epoch_shows_every_clip_once_in_batches_of_one_size(split, batch, seed):
    source = batches(split, batch=batch, seed=seed)
    steps = -(-3 * CLIPS // batch)
    seen = torch.cat([source.batch(step).indices for step in range(steps)]).tolist()
    assert len(seen) == steps * batch
    for epoch in range(3):
        assert sorted(seen[epoch * CLIPS : (epoch + 1) * CLIPS]) == list(range(CLIPS))
    assert len(source.split) == CLIPS


def test_orders_differ_between_epochs_and_seeds(split):
    def order(seed, epoch):
        return batches(split, batch=CLIPS, seed=seed).batch(epoch).indices.tolist()

    assert len({tuple(order(seed, epoch)) for seed in range(2) for epoch in range(4)}) == 8


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_a_batch_exactly(split, world):
    whole = batches(split, batch=4).batch(3)
    parts = [batches(split, batch=4, rank=rank, world=world).batch(3) for rank in range(world)]
    assert torch.equal(torch.cat([part.frames for part in parts]), whole.frames)
    assert torch.equal(torch.cat([part.indices for part in parts]), whole.indices)


def test_all_frames_of_a_clip_are_changed_alike(split):
    for step in range(20):
        batch = batches(split).batch(step)
        where = torch.cat([batch.frames[:, :, 1:], batch.target[:, None, 1:]], dim=1)
        assert torch.equal(where, where[:, :1].expand_as(where))


def test_reversal_maps_t_to_one_minus_t(split):
    seen = set()
    for step in range(40):
        batch = batches(split, batch=CLIPS).batch(step)
        for row in range(CLIPS):
            first, second = (batch.frames[row, :, 0, 0, 0] % 8).tolist()
            target = int(batch.target[row, 0, 0, 0] % 8)
            time = {2: 0.25, 3: 0.5}[target]
            backwards = first == 1
            assert (first, second) == ((1, 0) if backwards else (0, 1))
            assert batch.times[row].tolist() == [0.0, 1.0]
            assert batch.target_time[row].item() == (1 - time if backwards else time)
            seen.add((backwards, target))
    assert len(seen) == 4


def test_all_eight_orientations_and_all_corners_occur(split):
    orientations, corners = set(), set()
    for step in range(60):
        for row in batches(split, batch=CLIPS, crop=11).batch(step).target[:, 1:]:
            steps = row.int()
            orientations.add((*(steps[:, 0, 1] - steps[:, 0, 0]).tolist(),
                              *(steps[:, 1, 0] - steps[:, 0, 0]).tolist()))  # fmt: skip
            corners.add((int(row[0].min()), int(row[1].min())))
    assert len(orientations) == 8
    assert corners == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_switching_one_change_off_leaves_the_others_alone(split):
    with_flips = batches(split, Augment(flips=True, time_reversal=True)).batch(4)
    without = batches(split, Augment(flips=False, time_reversal=True)).batch(4)
    assert torch.equal(with_flips.target_time, without.target_time)
    for one, other in zip(with_flips.target[:, 1:], without.target[:, 1:], strict=True):
        assert torch.equal(one.flatten(1).sort().values, other.flatten(1).sort().values)


def test_without_changes_a_full_crop_is_the_clip(split):
    batch = batches(split, NONE, crop=SIDE).batch(0)
    for row, index in enumerate(batch.indices.tolist()):
        np.testing.assert_array_equal(
            batch.frames[row].permute(0, 2, 3, 1).numpy(), split[index].frames
        )


def test_a_crop_that_does_not_fit_is_named(split):
    with pytest.raises(SpecError, match=r"recipe\.crop is 16.*only 12"):
        batches(split, crop=16)


def test_a_batch_that_cannot_be_shared_is_named(split):
    with pytest.raises(SpecError, match="global batch of 3 cannot be shared among 2"):
        batches(split, batch=3, world=2)


@pytest.mark.parametrize(
    ("upside_down", "mirrored", "turned"), list(itertools.product([False, True], repeat=3))
)
def test_flips_and_turns_are_numpys(tmp_path, upside_down, mirrored, turned):
    whole = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    np.save(tmp_path / "a.npy", whole)
    # As in training: a read-only, mapped picture, of which a part is taken.
    cut = np.load(tmp_path / "a.npy", mmap_mode="r")[1:8, 3:10]
    out = np.zeros((2, 7, 7, 3), np.uint8)
    write_turned(out[1], cut, upside_down=upside_down, mirrored=mirrored, turned=turned)
    right = cut[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
    np.testing.assert_array_equal(out[1], np.rot90(right) if turned else right)
    assert not out[0].any()
