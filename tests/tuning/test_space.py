"""The space: params to configs and back, conditions, what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tempo.core.errors import SpecError
from tempo.spec.search_section import Grid
from tempo.tuning.backend.samplers import distribution, grid, qmc_point
from tempo.tuning.given_trials import enqueued
from tempo.tuning.space import RejectedError, Space

from .simulate import SPEC, load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return Space(load(tmp_path_factory.mktemp("space")))


levels = st.sampled_from(["on", "off"])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lr=st.floats(1e-5, 1e-1),
    warmup=st.integers(0, 8),
    clip=st.floats(0.1, 2),
    se=levels,
    dilation=st.sampled_from(["off", "pattern", "wide"]),
)
def test_a_config_is_found_again_in_the_space(
    space: Space, lr: float, warmup: int, clip: float, se: str, dilation: str
) -> None:
    params = {"lr": lr, "warmup": 50 * warmup, "clip": clip, "se": se, "dilation": dilation}
    point = space.point(params)
    again, outside = space.project(point.resolved.config)
    assert outside == ()
    assert set(again) == set(point.params) == set(params) - ({"dilation"} if se == "off" else set())
    assert again["lr"] == pytest.approx(lr, rel=1e-3)
    assert space.point(again).resolved.key == point.resolved.key


def test_a_factor_comes_after_those_its_condition_names(tmp_path: Path) -> None:
    text = SPEC.replace(
        "factors:\n",
        "factors:\n  late: {path: arch.fusion.window, levels: "
        "{4: 4, 8: 8}, when: {fusion: attention}}\n"
        "  fusion: {path: arch.fusion, levels: {attention: window_attention, "
        "plain: weighted}}\n",
    )
    names = [parameter.name for parameter in Space(load(tmp_path, text=text)).parameters]
    assert names.index("fusion") < names.index("late")


def test_every_ranges_ends_and_steps_become_a_distribution(space: Space) -> None:
    made = {parameter.name: distribution(parameter) for parameter in space.parameters}
    assert (made["warmup"].low, made["warmup"].high, made["warmup"].step) == (0, 400, 50)
    assert made["lr"].log and not made["clip"].log
    assert tuple(made["dilation"].choices) == ("off", "pattern", "wide")


def test_the_grid_has_every_combination_that_applies_once(space: Space) -> None:
    points = grid(space, Grid(points=2), 0)
    assert len(points) == len({tuple(sorted(point.items())) for point in points})
    assert len(points) == 2 * 9 * 2 * (3 + 1)
    assert all(("dilation" in point) == (point["se"] == "on") for point in points)


def test_sobol_points_cover_each_half_of_a_range_evenly(space: Space) -> None:
    clips = [float(qmc_point(space, index, 0)["clip"]) for index in range(64)]
    assert sum(clip < 1.05 for clip in clips) == 32


def test_what_no_point_of_the_space_has_is_outside(tmp_path: Path) -> None:
    text = (
        SPEC
        + "  enqueue: [V2, {lr: 1e-4, se: off}]\n"
        + "variants:\n  V2: {set: {arch: {preset: tempo_v2}}}\n"
    )
    (name, v2), (_, inside) = enqueued(Space(load(tmp_path, text=text)))
    assert name == "V2" and "arch.block" in v2.outside and not v2.params
    assert not inside.outside
    assert inside.params == {"lr": 1e-4, "warmup": 100, "clip": 0.5, "se": "off"}


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("  enqueue: [V9]\n", "unknown variant 'V9'"),
        ("  enqueue: [{lr: 7}]\n", "lr ranges from 1e-05 to 0.1, not 7"),
        ("  enqueue: [{se: maybe}]\n", "unknown level of se: 'maybe'"),
        ("  enqueue: [{lt: 1e-3}]\n", "unknown factor of the space 'lt'; did you mean 'lr'?"),
    ],
)
def test_a_wrong_first_trial_is_named_with_its_place(
    tmp_path: Path, extra: str, sentence: str
) -> None:
    with pytest.raises(SpecError, match=r"planted\.yaml:") as caught:
        enqueued(Space(load(tmp_path, text=SPEC + extra)))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SPEC.replace("{trials: 12}", "{}"), "at least one of trials, gpu_hours, hours"),
        (
            SPEC + "  objectives: [psnr, macs]\n  race: null\n".replace("race: null", "seed: 1"),
            None,
        ),
        (
            SPEC.replace("pruner: none", "pruner: median\n  objectives: [psnr, parameters]"),
            "write `pruner: none`",
        ),
        (SPEC + "  constraints: [parameters < 5]\n", "a constraint is `<quantity> <= <number>`"),
        (SPEC + "  space: [lr, sea]\n", "unknown factor 'sea'; did you mean 'se'?"),
        (SPEC + "  space: [dilation]\n", "applies under levels of 'se', which this design leaves"),
        (
            SPEC + "design: [{kind: factorial, factors: [se]}]\n",
            "a `design` or a `search`, not both",
        ),
        (SPEC + "  sampler: {kind: tp}\n", "unknown sampler 'tp'; did you mean 'tpe'?"),
    ],
)
def test_a_section_that_breaks_a_rule_says_which(
    tmp_path: Path, text: str, sentence: str | None
) -> None:
    if sentence is None:
        assert Space(load(tmp_path, text=text)).search.curve is None
        return
    with pytest.raises(SpecError) as caught:
        Space(load(tmp_path, text=text))
    assert sentence in str(caught.value)


def test_an_excluded_assignment_is_rejected_with_its_reason(tmp_path: Path) -> None:
    text = SPEC + "exclude: [{levels: {se: on, dilation: wide}, reason: too slow}]\n"
    space = Space(load(tmp_path, text=text))
    params = {"lr": 1e-3, "warmup": 0, "clip": 1.0, "se": "on"}
    with pytest.raises(RejectedError, match="too slow"):
        space.point({**params, "dilation": "wide"})
    assert space.point({**params, "dilation": "off"}).labels["dilation"] == "off"
