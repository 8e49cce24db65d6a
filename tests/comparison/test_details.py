"""Curves, speed of learning, equal budgets, fronts, strata, pictures, attribution and fairness."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.comparison.query import Query
from tempo.comparison.sections.budgets import on_front
from tempo.comparison.sections.curves import band, height
from tempo.core.errors import TempoError
from tempo.records.layout import Store


def study(make: ModuleType, root: Path, arms: Sequence[object], **settings: object) -> Comparison:
    query = settings.pop("query", Query())
    quiet = make.Noise(clip=0.05, residual=0.05)
    defaults = {"seeds": 3, "noise": quiet, "baseline": arms[0].name}
    plan = make.write_study(root, make.Study(arms=arms, **defaults | settings))
    return compare(Store(root), plan, query)


@pytest.fixture
def pair(planted: ModuleType, tmp_path: Path) -> Comparison:
    small = planted.Arm(name="small", gain=0.0, parameters=1_000_000, seconds=100)
    large = planted.Arm(
        name="large", gain=1.0, parameters=4_000_000, seconds=400, config={"arch": {"blocks": 6}}
    )
    wasteful = planted.Arm(name="wasteful", gain=-1.0, parameters=5_000_000, seconds=500)
    average = planted.Arm(name="average", gain=-3.0, role="reference")
    return study(planted, tmp_path, [small, large, wasteful, average])


def test_curves_are_means_over_seeds_with_a_band(pair: Comparison) -> None:
    curve = pair.curve("large", "psnr")
    lines = np.array([curve.lines[seed] for seed in range(3)])
    assert curve.steps == (250, 500, 750, 1000)
    assert curve.mean == pytest.approx(lines.mean(axis=0))
    assert all(
        low < mean < high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True)
    )
    assert curve.counts == (3,) * 4
    assert curve.epochs == (1.0, 2.0, 3.0, 4.0)
    assert curve.seconds == pytest.approx((100, 200, 300, 400))
    assert "95% t interval" in curve.band
    assert pair.curve("large", "loss").split == "train"
    assert pair.curve("average", "psnr") is None


def test_bands_where_seeds_are_missing() -> None:
    grid = np.array([[1.0, 2.0, np.nan], [3.0, np.nan, np.nan]])
    mean, low, high, counts = band(grid, 0.95)
    assert mean[:2] == pytest.approx([2, 2])
    assert np.isnan(mean[2])
    assert (low[0], high[0]) == (1, 3)
    assert np.isnan(low[1])
    assert list(counts) == [2, 1, 0]


def test_the_area_of_a_straight_line_is_its_middle() -> None:
    assert height(np.array([0.0, 1, 4]), np.array([10.0, 11, 14])) == pytest.approx(12)


def test_first_passes_and_areas(pair: Comparison) -> None:
    large = next(each for each in pair.learning if each.variant == "large")
    small = next(each for each in pair.learning if each.variant == "small")
    wasteful = next(each for each in pair.learning if each.variant == "wasteful")
    assert large.area.value - small.area.value == pytest.approx(1.0, abs=0.3)
    assert large.passings[0].passed == 3
    assert large.passings[0].step < 1000
    assert wasteful.passings[0].passed == 0
    assert wasteful.passings[0].step is None
    assert "Plateau" in large.definition


def test_a_plateau_is_where_nothing_more_is_gained(planted: ModuleType, tmp_path: Path) -> None:
    found = study(planted, tmp_path, [planted.Arm(name="a"), planted.Arm(name="b")], points=100)
    (curve,) = (each for each in found.curves if each.variant == "a" and each.name == "psnr")
    learning = next(each for each in found.learning if each.variant == "a")
    after = [m for s, m in zip(curve.steps, curve.mean, strict=True) if s > learning.plateau]
    before = [m for s, m in zip(curve.steps, curve.mean, strict=True) if s < learning.plateau]
    at = curve.mean[curve.steps.index(learning.plateau)]
    assert learning.plateau_epoch == curve.epochs[curve.steps.index(learning.plateau)]
    assert max(after) - at <= learning.tolerance
    assert max(curve.mean) - before[-1] > learning.tolerance


def test_equal_budgets(pair: Comparison) -> None:
    views = {view.budget: view for view in pair.budgets}
    assert set(views) == {"steps", "wall-clock", "device-hours", "parameters"}
    assert views["steps"].at == 1000
    assert "mid-schedule" not in views["steps"].note
    clock = views["wall-clock"]
    assert clock.at == pytest.approx(100)
    assert "mid-schedule" in clock.note
    at_100_s = pair.curve("large", "psnr").mean[0]
    assert clock.values["large"].mean == pytest.approx(at_100_s)
    assert clock.values["wasteful"] is None
    assert views["device-hours"].at == pytest.approx(100 / 3600)
    assert views["parameters"].values["large"] is None
    assert views["parameters"].values["small"].mean == pytest.approx(
        pair.row("small").estimates["psnr"].mean
    )


def test_gain_per_hour_is_over_frame_averaging(pair: Comparison) -> None:
    row, average = pair.row("large"), pair.row("average").estimates["psnr"].mean
    hours = row.cost.device_hours
    assert hours == pytest.approx(400 / 3600)
    expected = (row.estimates["psnr"].mean - average) / hours
    assert row.cost.gain_per_hour == pytest.approx(expected)
    assert pair.row("average").cost.parameters is None


def test_the_front_leaves_out_what_is_beaten(pair: Comparison) -> None:
    front = next(each for each in pair.pareto if each.cost == "parameters")
    points = {point.variant: point for point in front.points}
    assert points["small"].member and points["large"].member
    assert not points["wasteful"].member
    assert points["wasteful"].probability < 0.01
    assert points["large"].probability > 0.99


def test_equal_points_are_both_on_the_front() -> None:
    cost = np.array([1.0, 1.0, 2.0, 2.0])
    gain = np.array([[5.0, 5.0, 5.0, 6.0]])
    assert on_front(cost, gain).tolist() == [[True, True, False, True]]


GAINS = st.sampled_from([-np.inf, 0.0, 1.0, 2.0, np.inf, np.nan])


@given(st.lists(st.tuples(st.integers(0, 3), GAINS, GAINS), min_size=1, max_size=7))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, float, float]]) -> None:
    cost, *draws = (np.array(each, dtype=float) for each in zip(*points, strict=True))
    expected = [
        [
            not any(
                price <= own_price and gain >= own and (price < own_price or gain > own)
                for price, gain in zip(cost, gains, strict=True)
            )
            for own_price, own in zip(cost, gains, strict=True)
        ]
        for gains in draws
    ]
    assert on_front(cost, np.stack(draws)).tolist() == expected


def test_strata_partition_the_clips(pair: Comparison) -> None:
    motion = [each for each in pair.strata if each.by == "motion"]
    assert len(motion) == 4
    assert sum(each.clips for each in motion) == 40
    weighted = sum(each.clips * each.differences["large"].value for each in motion) / 40
    assert weighted == pytest.approx(pair.contrast("large").difference.value)


def test_per_clip_means_are_the_table(pair: Comparison) -> None:
    table = pair.clip_table
    assert len(table.clips) == len(table.sources) == len(table.properties["motion"]) == 40
    values = table.values["psnr"]["large"]
    assert np.mean(values) == pytest.approx(pair.row("large").estimates["psnr"].mean)


def test_the_gallery_is_sorted_by_disagreement(pair: Comparison) -> None:
    spreads = [clip.spread for clip in pair.gallery]
    assert spreads == sorted(spreads, reverse=True)
    first = pair.gallery[0]
    assert [picture.variant for picture in first.pictures] == [
        "small",
        "large",
        "wasteful",
        "average",
    ]
    assert len(first.inputs) == 2
    assert first.target.is_absolute()
    place = pair.clip_table.clips.index(first.clip)
    values = [pair.clip_table.values["psnr"][name][place] for name in ("large", "wasteful")]
    assert first.spread == pytest.approx(max(values) - min(values), abs=0.5)
    assert 1 <= first.rank_overall <= 40


def test_disagreements_are_the_extremes_over_all_clips(pair: Comparison) -> None:
    table = pair.clip_table.values["psnr"]
    change = np.array(table["wasteful"]) - np.array(table["small"])
    mine = [each for each in pair.disagreements if each.variant == "wasteful"]
    losses = [each.difference for each in mine if each.difference < 0]
    assert losses == pytest.approx(sorted(change)[:5])
    shown = {clip.clip for clip in pair.gallery}
    assert all(each.pictured == (each.clip in shown) for each in pair.disagreements)


def ladder_arms(make: ModuleType) -> list[object]:
    """start -> end by three factors worth 0.4, 0.2 and 0, and 0.1 for having the first two."""
    off, on = {"se": "none", "blocks": [1], "norm": "group"}, {"se": "on", "blocks": [6], "norm": 1}
    worth = {"se": 0.4, "blocks": 0.2, "norm": 0.0}

    def arm(name: str, *taken: str) -> object:
        gain = sum(worth[each] for each in taken) + 0.1 * ({"se", "blocks"} <= set(taken))
        config = {"arch": off | {each: on[each] for each in taken}}
        return make.Arm(name=name, gain=gain, config=config)

    return [
        arm("v2"),
        arm("v2 + se", "se"),
        arm("v2 + blocks", "blocks"),
        arm("v2 + norm", "norm"),
        arm("v3 - se", "blocks", "norm"),
        arm("v3 - norm", "se", "blocks"),
        arm("v3", "se", "blocks", "norm"),
    ]


def test_attribution_splits_a_gain(planted: ModuleType, tmp_path: Path) -> None:
    noise = planted.Noise(seed=0.01, clip=0.01, residual=0.01)
    found = study(planted, tmp_path, ladder_arms(planted), noise=noise).attribution
    assert (found.start, found.end) == ("v2", "v3")
    assert found.changes["blocks"] == ("[1]", "[6]")
    assert found.total.value == pytest.approx(0.7, abs=0.05)
    add_in = {rung.factor: rung.change.value for rung in found.add_in}
    assert add_in == pytest.approx({"se": 0.4, "blocks": 0.2, "norm": 0.0}, abs=0.05)
    leave_out = {rung.factor: rung for rung in found.leave_out}
    assert leave_out["se"].change.value == pytest.approx(0.5, abs=0.05)
    assert leave_out["blocks"].change is None
    assert leave_out["blocks"].note == "the study has no such variant"
    assert found.residual.value == pytest.approx(0.1, abs=0.05)
    assert found.residual.value == pytest.approx(found.total.value - sum(add_in.values()))
    assert [rung.factor for rung in found.ladder] == ["se", "blocks", "norm"]
    steps = sum(rung.change.value for rung in found.ladder)
    assert steps == pytest.approx(found.total.value)
    assert "without a finished arm" not in found.note
    assert "The study has no variant that leaves it out alone: blocks." in found.note


def test_attribution_between_named_ends(planted: ModuleType, tmp_path: Path) -> None:
    query = Query(attribution=("v3", "v2"))
    found = study(planted, tmp_path, ladder_arms(planted), query=query).attribution
    assert found.start == "v3"
    with pytest.raises(TempoError, match="did you mean 'v3'"):
        study(planted, tmp_path, ladder_arms(planted), query=Query(attribution=("v2", "v33")))


def test_without_arms_between_there_is_no_attribution(pair: Comparison) -> None:
    assert pair.attribution is None


def test_fields_that_change_together_are_one_factor(planted: ModuleType, tmp_path: Path) -> None:
    def arm(name: str, deep: bool, se: bool) -> object:
        arch = {"blocks": 6 if deep else 1, "decoder": "deep" if deep else "flat", "se": se}
        return planted.Arm(name=name, config={"arch": arch})

    arms = [arm("00", False, False), arm("01", False, True), arm("10", True, False)]
    found = study(planted, tmp_path, [*arms, arm("11", True, True)]).attribution
    assert set(found.changes) == {"blocks, decoder", "se"}
    assert found.changes["blocks, decoder"] == ("1, flat", "6, deep")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"environment": {"device": "H100"}}, "device"),
        ({"environment": {"code_stamp": "other"}}, "code_stamp"),
        ({"steps": 900}, "steps"),
    ],
)
def test_unintended_differences_come_first(
    planted: ModuleType, tmp_path: Path, change: dict[str, object], field: str
) -> None:
    arms = [planted.Arm(name="a"), planted.Arm(name="b", **change)]
    found = study(planted, tmp_path, arms)
    assert found.fairness[0].severity == "unintended"
    assert field in {each.field for each in found.fairness if each.severity == "unintended"}
    assert any(said.startswith("Not alike:") for said in found.headline)


def test_what_the_study_varies_is_intended(planted: ModuleType, tmp_path: Path) -> None:
    arms = [
        planted.Arm(name="a", config={"recipe": {"lr": 1e-4}, "arch": {"se": 0}}),
        planted.Arm(name="b", config={"recipe": {"lr": 5e-5}, "arch": {"se": 1}}),
    ]
    found = study(planted, tmp_path, arms)
    (difference,) = (each for each in found.fairness if each.field == "recipe.lr")
    assert difference.severity == "intended"
    assert "beside the architecture" in difference.sentence
    assert not any(each.severity == "unintended" for each in found.fairness)


def test_steps_of_a_further_stage_are_intended(planted: ModuleType, tmp_path: Path) -> None:
    stages = [{"name": "later", "budget": {"steps": 100}}]
    arms = [
        planted.Arm(name="a", config={"recipe": {"stages": []}}),
        planted.Arm(name="b", config={"recipe": {"stages": stages}}, steps=1100),
    ]
    found = study(planted, tmp_path, arms)
    (difference,) = (each for each in found.fairness if each.field == "steps")
    assert difference.severity == "intended"
    assert not any(each.severity == "unintended" for each in found.fairness)


def test_alike_runs_have_no_differences(pair: Comparison) -> None:
    assert [each for each in pair.fairness if each.severity == "unintended"] == []
    assert pair.stale == ()
