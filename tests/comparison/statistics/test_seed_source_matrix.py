"""The matrix of runs and sources: runs that are no replicates, runs left out, no clip at all."""

import numpy as np
import pytest

from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import SeedSourceMatrix, matrix_of
from tests.comparison.simulate import World


def copied(*names: str) -> SeedSourceMatrix:
    """Three variants under three seeds; those of `names` give the same under each."""
    world = World(variants=3, seeds=3, clips=20, sources=5)
    values = world.values()
    for name in names:
        values[int(name[1:])] = values[int(name[1:]), :1]
    return matrix_of(world.keys, values.reshape(9, 20), world.names)


@pytest.mark.parametrize(
    ("alike", "asked", "found"),
    [
        ((), ("v0", "v1"), ()),
        (("v1",), ("v0", "v1"), ("v1",)),
        (("v0", "v1"), ("v0", "v1"), ("v0", "v1")),
        (("v2",), ("v0", "v1"), ()),
    ],
)
def test_seeds_that_change_nothing_are_no_replicates(
    alike: tuple[str, ...], asked: tuple[str, ...], found: tuple[str, ...]
) -> None:
    matrix = copied(*alike)
    assert matrix.unvaried(asked) == found


def test_a_difference_in_the_last_bit_is_one() -> None:
    matrix = copied("v1")
    values = matrix.values.copy()
    values[3, 0] = np.nextafter(values[3, 0], 99)
    other = matrix_of(
        [(f"v{v}", s) for v in range(3) for s in range(3)], values, [str(i) for i in range(20)]
    )
    assert not other.unvaried(["v1"])


def test_one_seed_and_references_are_no_copies() -> None:
    keys = [("a", 0), ("reference", None), ("b", 0), ("b", 1)]
    matrix = matrix_of(keys, np.array([1.0, 1.0, 2.0, 2.0]), None)
    assert matrix.unvaried(["a", "reference", "b", "absent"]) == ("b",)


def test_keeping_seeds_of_some_variants_leaves_the_others_theirs() -> None:
    matrix = World(variants=3, seeds=4, clips=20).matrix()
    kept = matrix.keeping((0, 2), ["v0", "v1"])
    assert kept.seeds_of("v0") == kept.seeds_of("v1") == (0, 2)
    assert kept.seeds_of("v2") == (0, 1, 2, 3)
    one, other = ([matrix.means[matrix.row(name, s)] for s in (0, 2)] for name in ("v1", "v0"))
    expected = np.mean(one) - np.mean(other)
    change = RandomEffects(kept).contrast({"v1": 1.0, "v0": -1.0})
    assert change.value == pytest.approx(expected, abs=1e-12)


def test_without_a_clip_there_is_no_matrix() -> None:
    with pytest.raises(ValueError, match="no clip is left"):
        matrix_of([("a", 0)], np.zeros((1, 0)), [])
