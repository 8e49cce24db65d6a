"""The family of contrasts with one control: who is in it, and what they share."""

import numpy as np
import pytest

from tempo.comparison.statistics.control_family import (
    ControlFamily,
    source_share,
    source_squares,
)
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tempo.comparison.statistics.variance_moderation import moderate
from tests.comparison.simulate import World


def test_members_are_moderated_together() -> None:
    matrix = World(variants=4, seeds=5, clips=20, stream=3).matrix()
    family = ControlFamily(matrix, "v0")
    seeds = matrix.common_seeds(["v0", "v1"])
    names = ("v1", "v2", "v3")
    table = np.stack([matrix.paired({name: 1.0, "v0": -1.0}, seeds).sum(axis=1) for name in names])
    expected = moderate(table)
    for index, name in enumerate(names):
        found = family.member({name: 1.0, "v0": -1.0})
        assert found.variance == pytest.approx(expected.variance[index])
        assert found.df == pytest.approx(expected.df[index])
        assert found.others == 2


def test_the_sign_of_a_contrast_does_not_matter() -> None:
    family = ControlFamily(World(variants=3, seeds=4, clips=20).matrix(), "v0")
    assert family.member({"v0": 1.0, "v1": -1.0}) == family.member({"v1": 1.0, "v0": -1.0})


@pytest.mark.parametrize(
    "weights",
    [
        {"v1": 1.0, "v2": -1.0},
        {"v1": 0.5, "v0": -0.5},
        {"v1": 1.0, "v0": 1.0},
        {"v1": 0.5, "v2": 0.5, "v0": -1.0},
    ],
)
def test_other_combinations_are_no_members(weights: dict[str, float]) -> None:
    assert (
        ControlFamily(World(variants=3, seeds=4, clips=20).matrix(), "v0").member(weights) is None
    )


def test_nobody_to_borrow_from_is_no_family() -> None:
    pair = {"v1": 1.0, "v0": -1.0}
    assert ControlFamily(World(variants=2, seeds=4, clips=20).matrix(), "v0").member(pair) is None
    assert ControlFamily(World(variants=3, seeds=1, clips=20).matrix(), "v0").member(pair) is None
    assert ControlFamily(World(variants=3, seeds=4, clips=20).matrix(), None).member(pair) is None


def test_a_failed_run_leaves_its_own_contrast_alone() -> None:
    world = World(variants=3, seeds=5, clips=20, stream=6)
    values = world.values().reshape(15, 20)
    keep = [row for row, key in enumerate(world.keys) if key != ("v1", 4)]
    keys = [world.keys[row] for row in keep]
    matrix = matrix_of(keys, values[keep], world.names)
    table = np.full((2, 5), np.nan)
    means = values.reshape(3, 5, 20).mean(axis=2)
    table[0, :4] = (means[1] - means[0])[:4]
    table[1] = means[2] - means[0]
    found = ControlFamily(matrix, "v0").member({"v1": 1.0, "v0": -1.0})
    assert found.variance == pytest.approx(moderate(table).variance[0])


def test_the_sources_part_of_a_pair_is_unbiased_with_unequal_sources() -> None:
    """Residuals of 0.3 dB a clip and difference, on sources of 1 to 30 clips, nothing else."""
    sizes = (1, 2, 3, 10, 30)
    world = World(seeds=4, sizes=sizes, seed_sd=0.0, clip_sd=0.0, residual_sd=0.3, stream=5)
    found = []
    for _ in range(1500):
        matrix = world.matrix()
        paired = matrix.paired({"v1": 1.0, "v0": -1.0}, (0, 1, 2, 3))
        found.append(source_share(matrix, paired))
    error = np.std(found) / np.sqrt(len(found))
    # Sizes differ, so that squares of sources are not exactly those of a draw: within a tenth.
    assert np.mean(found) == pytest.approx(0.3**2 / sum(sizes), rel=0.1, abs=3 * error)


def test_sources_of_equal_size_give_the_residual_mean_square() -> None:
    matrix = World(seeds=4, clips=12, stream=2).matrix()
    paired = matrix.paired({"v1": 1.0, "v0": -1.0}, (0, 1, 2, 3)) * 12
    left = paired - paired.mean(axis=0) - paired.mean(axis=1, keepdims=True) + paired.mean()
    residual = (left**2).sum() / (3 * 11)
    assert source_share(matrix, paired / 12) == pytest.approx(residual / 12)
    assert source_squares(matrix, np.zeros((4, 12))) == 0
