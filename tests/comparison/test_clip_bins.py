"""Clips split by a property: by each time, or into quarters."""

import numpy as np

from tempo.comparison.clip_bins import bins


def test_each_time_of_the_target_is_a_bin():
    times = np.tile(np.arange(1, 16) / 16, 5)
    found = bins("target_time", times)
    assert [(low, high) for low, high, _ in found] == [(k / 16, k / 16) for k in range(1, 16)]
    assert all(inside.sum() == 5 for _, _, inside in found)
    # Four clips a bin are the least that say something, unless fewer are asked for.
    few = np.array([0.25, 0.5, 0.5, 0.5, 0.5, np.nan])
    assert [low for low, _, _ in bins("target_time", few)] == [0.5]
    assert [low for low, _, _ in bins("target_time", few, least=1)] == [0.25, 0.5]


def test_motion_is_split_into_quarters_that_hold_every_clip_once():
    motion = np.random.default_rng(0).uniform(0, 9, 41)
    motion[3] = np.nan
    found = bins("motion", motion)
    assert [inside.sum() for _, _, inside in found] == [10, 10, 10, 10]
    assert (sum(inside for _, _, inside in found) == np.isfinite(motion)).all()
    assert found[0][0] == np.nanmin(motion) and found[-1][1] == np.nanmax(motion)


def test_clips_that_are_alike_are_not_split():
    assert bins("target_time", np.full(20, 0.5)) == []
    assert bins("motion", np.full(20, np.nan)) == []
    assert bins("motion", np.arange(7.0)) == []
