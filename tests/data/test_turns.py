"""Flips and turns are those of numpy, to the last pixel."""

import itertools

import numpy as np
import pytest

from tempo.data.picture_turns import put


@pytest.mark.parametrize(
    ("upside_down", "mirrored", "turned"), list(itertools.product([False, True], repeat=3))
)
def test_flips_and_turns_are_numpys(tmp_path, upside_down, mirrored, turned):
    whole = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    np.save(tmp_path / "a.npy", whole)
    # As in training: a read-only, mapped picture, of which a part is taken.
    cut = np.load(tmp_path / "a.npy", mmap_mode="r")[1:8, 3:10]
    out = np.zeros((2, 7, 7, 3), np.uint8)
    put(out[1], cut, upside_down=upside_down, mirrored=mirrored, turned=turned)
    right = cut[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
    np.testing.assert_array_equal(out[1], np.rot90(right) if turned else right)
    assert not out[0].any()
