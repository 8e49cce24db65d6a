"""How far one filter for all clips improves on averaging: known answers and their limits."""

import numpy as np
import pytest

from tempo.data.clips import Clip
from tempo.data.datasets.photographs import PHOTOGRAPHS
from tempo.data.open_dataset import open_split
from tempo.data.shared_correction import shared_correction
from tempo.spec.data import Procedural


def clip(number, target, frames, source="s", times=(0.0, 1.0), target_time=0.5):
    return Clip(
        id=f"{source}-{number}", source=source, frames=np.stack(frames), times=times,
        target=target, target_time=target_time, motion=None, occlusion=None,
    )  # fmt: skip


def texture(seed, side=48):
    return np.random.default_rng(seed).integers(40, 216, (side, side, 3), dtype=np.uint8)


def sliding(seed, step):
    """A texture that moves right by `step` px between the outer frames; its middle is the target.

    The texture is smooth enough for its double image to tell what lies between.
    """
    from scipy.ndimage import gaussian_filter

    wide = gaussian_filter(
        np.random.default_rng(seed).normal(128, 200, (48, 64, 3)), (1.0, 1.0, 0.0)
    )
    pictures = [np.clip(wide[:, 8 + at : 56 + at], 0, 255).astype(np.uint8)
                for at in (0, step // 2, step)]  # fmt: skip
    return pictures[1], (pictures[0], pictures[2])


def test_clips_of_one_motion_share_a_filter_that_sharpens_them():
    clips = [clip(seed, *sliding(seed, 2)) for seed in range(20)]
    assert shared_correction(clips)["share"] > 0.2


def test_what_no_filter_knows_cannot_be_corrected():
    """Targets that differ from the average by noise alone."""
    clips = []
    for seed in range(20):
        frames = (texture(seed), texture(seed + 100))
        noise = np.random.default_rng(seed).integers(-30, 31, (48, 48, 3))
        target = (np.mean(frames, axis=0) + noise).clip(0, 255).astype(np.uint8)
        clips.append(clip(seed, target, frames))
    # 24 weights take a little of 8,000 values by chance.
    assert shared_correction(clips)["share"] < 0.01
    still = [clip(seed, texture(seed), (texture(seed),) * 2) for seed in range(4)]
    assert shared_correction(still)["share"] == pytest.approx(0.0, abs=1e-9)


def test_clips_that_ask_for_opposite_filters_share_none():
    """Each source alone can be corrected; one filter for both cannot."""
    sharper = [clip(seed, *sliding(seed, 2), source="sharp") for seed in range(12)]
    blurred = []
    for one in sharper:
        average = one.frames.astype(float).mean(0)
        other = np.clip(2 * average - one.target, 0, 255).astype(np.uint8)
        blurred.append(clip(one.id, other, tuple(one.frames), source="blur"))
    told = shared_correction([*sharper, *blurred])
    assert told["share"] < 0.01
    assert set(told["sources"]) == {"sharp", "blur"}
    assert min(told["sources"].values()) > 0.2


def test_the_average_is_that_of_the_frames_around_the_target():
    frames = [np.full((16, 16, 3), value, np.uint8) for value in (250, 40, 80, 5)]
    target = np.full((16, 16, 3), 50, np.uint8)
    one = clip(0, target, frames, times=(0.0, 0.2, 0.6, 1.0), target_time=0.3)
    # A quarter of the way from 40 to 80: nothing is left to correct.
    assert shared_correction([one])["share"] == pytest.approx(0.0, abs=1e-9)
    assert shared_correction([])["share"] is None


def test_it_is_the_same_each_time_and_rendered_motion_has_it(tmp_path):
    options = Procedural(size=(48, 48), motion=(1.0, 6.0), train_clips=24, val_clips=1)
    split = open_split(options, "train", tmp_path)
    first = shared_correction(split)
    assert first == shared_correction(split)
    assert first["share"] > 0.005
    assert len(first["sources"]) == len(PHOTOGRAPHS["train"])
