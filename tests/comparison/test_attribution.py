"""The terms of an attribution add up, and what was chosen by its gain has an honest interval."""

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.comparison.fitted_study import fit_study
from tempo.comparison.loading.load_runs import load_runs
from tempo.comparison.query import Query
from tempo.comparison.sections.attribution import attribution
from tempo.comparison.statistics.quantities import Attribution
from tempo.records.layout import Store
from tests.comparison.altered_records import redrawn

FACTORS = ("se", "blocks", "norm")
MANY = tuple(f"factor{number}" for number in range(12))
SEEDS = 5


def every_arm(
    make: ModuleType,
    factors: tuple[str, ...],
    sizes: Iterable[int] = range(len(FACTORS) + 1),
    **changes: object,
) -> list[object]:
    """All combinations of two levels that take one of `sizes` of the factors.

    `changes` by the arm's name, its taken factors joined.
    """
    arms = []
    for size in sizes:
        for taken in combinations(factors, size):
            name = "+".join(taken) or "start"
            config = {"arch": {factor: factor in taken for factor in factors}}
            arms.append(make.Arm(name=name, config=config, **changes.get(name, {})))
    return arms


def explained(make: ModuleType, root: Path, arms: list[object], **changes: object) -> Attribution:
    chosen = {"seeds": SEEDS, "clips": 8, "sources": 4, "points": 5, "baseline": "start"} | changes
    plan = make.write_study(root, make.Study(arms=arms, **chosen))
    ends = ("start", arms[-1].name)
    found = attribution(fit_study(load_runs(Store(root), plan, Query(attribution=ends))))
    assert found is not None
    return found


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(broken=st.lists(st.tuples(st.integers(0, 7), st.integers(1, SEEDS - 1)), max_size=8))
def test_terms_add_up_whatever_seeds_failed(
    planted: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
    broken: list[tuple[int, int]],
) -> None:
    names = [arm.name for arm in every_arm(planted, FACTORS)]
    lost = {
        name: {"broken": frozenset(seed for place, seed in broken if place == at)}
        for at, name in enumerate(names)
    }
    root = tmp_path_factory.mktemp("terms")
    found = explained(planted, root, every_arm(planted, FACTORS, **lost))
    added = sum(rung.change.value for rung in found.add_in)
    assert added + found.residual.value == pytest.approx(found.total.value, abs=1e-9)
    assert sum(rung.change.value for rung in found.ladder) == pytest.approx(
        found.total.value, abs=1e-9
    )
    for rung in found.ladder[1:]:
        below = next(each for each in found.ladder if each.variant == rung.against)
        assert rung.level - below.level == pytest.approx(rung.change.value, abs=1e-9)


def test_seeds_left_out_are_named_with_the_arm_that_lacks_them(
    planted: ModuleType, tmp_path: Path
) -> None:
    lost = {"se": {"broken": frozenset({1})}, "norm": {"broken": frozenset({1, 4})}}
    found = explained(planted, tmp_path, every_arm(planted, FACTORS, **lost))
    assert (
        "All terms are over the 3 seeds that every arm finished (0, 2, 3); left out: seed 1, 4, "
        "without a run of se, norm"
    ) in found.note


def test_arms_that_share_no_seed_have_no_terms(planted: ModuleType, tmp_path: Path) -> None:
    lost = {"se": {"broken": frozenset({0, 1})}, "norm": {"broken": frozenset({2, 3, 4})}}
    found = explained(planted, tmp_path, every_arm(planted, FACTORS, **lost))
    assert found.total is None and found.residual is None
    assert all(rung.change is None for rung in (*found.add_in, *found.ladder))
    assert found.add_in[0].note == "no seed is finished in every arm"
    assert found.note.startswith("No seed is finished in all of ")


def test_a_step_says_of_how_many_it_is_the_largest(planted: ModuleType, tmp_path: Path) -> None:
    found = explained(planted, tmp_path, every_arm(planted, FACTORS))
    first, second, last = found.ladder
    assert first.note.startswith("chosen as the largest of 3; the interval holds for all 3 steps")
    assert second.note.startswith("chosen as the largest of 2; the interval holds for all 6 steps")
    assert last.note == "the interval holds for all 3 steps that were possible there"
    assert first.change.single_level == pytest.approx(1 - 0.05 / 3)
    assert (first.change.level, found.add_in[0].change.single_level) == (0.95, None)
    assert first.note in found.note


def test_the_waterfall_ends_where_its_bars_end(planted: ModuleType, tmp_path: Path) -> None:
    """A seed that only the ends have moves their means in the table, not those of the bars."""
    from tempo.report.figures.forest import draw_attribution, stack

    lost = {name: {"broken": frozenset({4})} for name in ("se", "norm")}
    arms = every_arm(planted, FACTORS, **lost)
    chosen = {"seeds": SEEDS, "clips": 8, "sources": 4, "points": 5, "baseline": "start"}
    noise = planted.Noise(shared=5.0)
    plan = planted.write_study(tmp_path, planted.Study(arms=arms, noise=noise, **chosen))
    found: Comparison = compare(Store(tmp_path), plan, Query(attribution=("start", arms[-1].name)))
    axes = draw_attribution(found).figure.get_axes()[0]
    ends = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"]
    last = stack(found.attribution, ends[0])[-1]
    assert last.left + last.change.value == pytest.approx(ends[1])


def test_the_first_steps_interval_covers_no_gain(planted: ModuleType, tmp_path: Path) -> None:
    """Nothing gains: the largest of twelve is still 0, in 94 of 100 studies at least.

    Of 400 studies, 365 or more cover with a probability of 99 % when 94 % do.
    """
    arms = every_arm(planted, MANY, sizes=(0, 1, len(MANY)))
    noise = planted.Noise(seed=0.1, clip=0.3, residual=0.2)
    chosen = {"seeds": SEEDS, "clips": 24, "sources": 24, "points": 5, "gallery": 0}
    covered = 0
    sample = None
    for stream in range(400):
        study = planted.Study(arms=arms, noise=noise, stream=stream, baseline="start", **chosen)
        if sample is None:
            plan = planted.write_study(tmp_path, study)
            query = Query(attribution=("start", arms[-1].name), metrics=())
            sample = fit_study(load_runs(Store(tmp_path), plan, query))
        fitted = redrawn(planted, sample, study)
        (first, *_) = attribution(fitted).ladder
        covered += first.change.low <= 0 <= first.change.high
    assert covered >= 365, f"{covered} of 400"
