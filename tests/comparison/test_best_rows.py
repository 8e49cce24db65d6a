"""The best row of a metric, and what a paired test does not tell from it."""

from pathlib import Path
from types import ModuleType

import pytest

from tempo.comparison.build import compare
from tempo.comparison.evidence import Best
from tempo.records.layout import Store


def best_of(make: ModuleType, root: Path, gains: dict[str, float], seeds: int = 5) -> Best:
    arms = [
        make.Arm(name=name, gain=gain, role="reference" if name.isupper() else "variant")
        for name, gain in gains.items()
    ]
    noise = make.Noise(seed=0.03, shared=0.03, clip=0.03, residual=0.03)
    study = make.Study(arms=arms, seeds=seeds, noise=noise, baseline="a")
    found = compare(Store(root), make.write_study(root, study)).best
    return next(each for each in found if each.metric == "psnr")


def test_rows_are_told_from_the_best_by_a_test(planted: ModuleType, tmp_path: Path) -> None:
    found = best_of(planted, tmp_path, {"a": 0.0, "b": 1.0, "c": 0.995, "R": -2.0})
    assert (found.best, found.not_worse, found.worse) in (
        ("b", ("c",), ("a", "R")),
        ("c", ("b",), ("a", "R")),
    )
    assert found.behind["R"][0] == pytest.approx(-3.0, abs=0.1)


def test_a_reference_may_be_the_best(planted: ModuleType, tmp_path: Path) -> None:
    """Rows without seeds differ by the draw of clips alone, and that is tested."""
    found = best_of(planted, tmp_path, {"a": 0.0, "b": 0.1, "R": 1.0, "S": 0.5, "T": 1.0})
    assert found.best in ("R", "T")
    assert found.worse == ("a", "b", "S")


def test_two_seeds_tell_nothing_apart(planted: ModuleType, tmp_path: Path) -> None:
    found = best_of(planted, tmp_path, {"a": 0.0, "b": 1.0}, seeds=2)
    assert (found.best, found.worse, found.not_worse) == ("b", (), ("a",))
    assert found.behind["a"][1] is None
