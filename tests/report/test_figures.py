"""What is plotted equals the comparison's numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from PIL import Image

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Interval
from tempo.core.errors import NotApplicableError, UnknownNameError
from tempo.report import figures
from tempo.report.figures import FIGURES, style
from tempo.report.figures import forest as attribution
from tempo.report.figures.drawing import Drawing
from tempo.report.formats.table import NotApplicable

from . import sample


@pytest.fixture(autouse=True)
def _style() -> Iterable[None]:
    with mpl.rc_context(style.rc()):
        yield


def draw(name: str, comparison: Comparison) -> list[Axes]:
    drawn = FIGURES[name](comparison)
    assert isinstance(drawn, Drawing)
    return list(drawn.figure.axes)


def points(axes: Axes) -> set[tuple[float, float]]:
    """Every vertex of every line, rounded so that equal numbers compare equal."""
    return {
        (round(float(x), 9), round(float(y), 9))
        for line in axes.get_lines()
        for x, y in zip(*line.get_data(), strict=True)
        if isinstance(x, int | float | np.number)
    }


def has(axes: Axes, x: float, y: float) -> bool:
    return (round(x, 9), round(y, 9)) in points(axes)


def has_interval(axes: Axes, place: float, interval: Interval, *, vertical: bool = False) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    ends = [(interval.low, place), (interval.high, place)]
    return all(has(axes, *(end[::-1] if vertical else end)) for end in ends)


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        ("learning_curves", "steps"),
        ("learning_by_epoch", "epochs"),
        ("learning_by_time", "seconds"),
    ],
)
def test_learning_curves_are_the_means_and_bands(name: str, axis: str, whole: Comparison) -> None:
    panels = draw(name, whole)
    for axes, metric in zip(panels, ("psnr", "ssim"), strict=True):
        curves = [curve for curve in whole.curves if curve.name == metric]
        lines = {line.get_label(): line for line in axes.get_lines()}
        assert len(lines) == len(curves)
        for curve in curves:
            assert lines[curve.variant].get_xdata() == pytest.approx(getattr(curve, axis))
            assert lines[curve.variant].get_ydata() == pytest.approx(curve.mean)
        for band, curve in zip(axes.collections, curves, strict=True):
            heights = band.get_paths()[0].vertices[:, 1]
            assert heights.min() == pytest.approx(min(curve.low))
            assert heights.max() == pytest.approx(max(curve.high))


def test_expected_points_are_marked_only_where_the_protocol_is_theirs(whole: Comparison) -> None:
    from dataclasses import replace

    plain = FIGURES["learning_by_epoch"](whole)
    vimeo = replace(whole, spec={**whole.spec, "data": {"kind": "vimeo90k"}})
    marked = FIGURES["learning_by_epoch"](vimeo)
    assert isinstance(plain, Drawing)
    assert isinstance(marked, Drawing)
    assert "not data" in marked.caption
    assert "not data" not in plain.caption
    assert has(marked.figure.axes[0], 100, 32)
    assert not has(plain.figure.axes[0], 100, 32)


def test_every_seed_mean_and_interval_is_plotted(whole: Comparison) -> None:
    (axes,) = draw("seeds", whole)
    trained = [row for row in whole.rows if row.role != "reference"]
    for place, row in enumerate(trained):
        estimate = row.estimates["psnr"]
        assert all(has(axes, value, place) for value in estimate.values)
        assert has(axes, estimate.mean, place)
        assert has(axes, estimate.low or 0, place)
        assert has(axes, estimate.high or 0, place)


def test_panels_of_edges_and_time_show_each_mean_and_interval(whole: Comparison) -> None:
    panels = draw("edges_and_time", whole)
    assert [axes.get_xlabel() for axes in panels] == [
        "edge error (grey levels/px)",
        "flicker (grey levels)",
    ]
    trained = [row for row in whole.rows if row.role != "reference"]
    for axes, metric in zip(panels, ("edge", "flicker"), strict=True):
        for place, row in enumerate(trained):
            estimate = row.estimates[metric]
            assert has(axes, estimate.mean, place)
            assert has(axes, estimate.low or 0, place)
            assert has(axes, estimate.high or 0, place)


def test_what_was_not_measured_is_said_and_never_zero(whole: Comparison) -> None:
    from dataclasses import replace

    drawn = FIGURES["edges_and_time"](whole)
    assert isinstance(drawn, Drawing)
    assert "Not measured here: tOF, warping error." in drawn.caption
    none = FIGURES["edges_and_time"](replace(whole, panels=()))
    assert isinstance(none, NotApplicable)


def test_the_forest_shows_each_contrast_and_its_interval(whole: Comparison) -> None:
    (axes,) = draw("forest", whole)
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == [each.variant for each in whole.contrasts]
    for place, contrast in enumerate(whole.contrasts):
        assert contrast.difference is not None
        assert has(axes, contrast.difference.value, place)
        assert has_interval(axes, place, contrast.difference)


def test_effects_are_drawn_in_order_with_their_intervals(whole: Comparison) -> None:
    (axes,) = draw("effects", whole)
    for place, effect in enumerate((*whole.main_effects, *whole.interactions)):
        assert effect.change is not None
        assert has(axes, effect.change.value, place)
        assert has_interval(axes, place, effect.change)


def test_the_waterfall_walks_from_the_start_to_the_end(whole: Comparison) -> None:
    found = whole.attribution
    assert found is not None
    start = whole.row(found.start).estimates["psnr"].mean
    bars = attribution.stack(found, start)
    assert bars[0].left == start
    for one, following in pairwise(bars):
        assert one.change is not None
        assert following.left == pytest.approx(one.left + one.change.value)
    (axes,) = draw("attribution", whole)
    widths = [patch.get_width() for patch in axes.patches]
    assert found.residual is not None
    changes = [rung.change.value for rung in found.add_in if rung.change]
    assert widths == pytest.approx([*changes, found.residual.value])


def test_pareto_panels_hold_cost_value_and_membership(whole: Comparison) -> None:
    panels = draw("pareto", whole)
    for axes, view in zip(panels, whole.pareto, strict=True):
        for point in view.points:
            assert has(axes, point.cost, point.value)
            assert has(axes, point.cost, point.low or 0)
            marker = next(line for line in axes.get_lines() if line.get_label() == point.variant)
            filled = marker.get_markerfacecolor() == marker.get_color()
            assert filled == point.member


@pytest.mark.parametrize("which", ["values", "differences"])
def test_strata_show_each_mean_and_interval(which: str, whole: Comparison) -> None:
    panels = draw("strata" if which == "values" else "strata_difference", whole)
    for axes, by in zip(panels, ("motion", "occlusion"), strict=True):
        drawn = {y for _, y in points(axes)}
        for stratum in (each for each in whole.strata if each.by == by):
            for variant, interval in getattr(stratum, which).items():
                row = whole.row(variant)
                shown = row.role == "variant" or (row.role == "baseline" and which == "values")
                ends = {round(v, 9) for v in (interval.value, interval.low, interval.high)}
                assert not shown or ends <= drawn


def test_the_scatter_pairs_clips_of_two_variants(whole: Comparison) -> None:
    axes = draw("clip_scatter", whole)[0]
    assert whole.clip_table is not None
    values = whole.clip_table.values["psnr"]
    assert whole.baseline is not None
    rival = axes.get_ylabel().removesuffix(" (dB)")
    offsets = np.asarray(axes.collections[0].get_offsets())
    assert offsets[:, 0] == pytest.approx(np.asarray(values[whole.baseline]))
    assert offsets[:, 1] == pytest.approx(np.asarray(values[rival]))
    motion = np.asarray(axes.collections[0].get_array())
    assert motion == pytest.approx(np.asarray(whole.clip_table.properties["motion"]))


def test_health_is_the_mean_over_seeds(whole: Comparison) -> None:
    panels = draw("health", whole)
    for axes, name in zip(panels, ("loss", "grad_norm", "clip_rate"), strict=True):
        curves = {curve.variant: curve for curve in whole.health if curve.name == name}
        for line in axes.get_lines():
            assert line.get_ydata() == pytest.approx(curves[str(line.get_label())].mean)


def test_the_strip_shows_predictions_and_their_errors(whole: Comparison) -> None:
    (axes,) = draw("strip", whole)
    shown = [image for image in axes.get_children() if isinstance(image, AxesImage)]
    clip = whole.gallery[0]
    picture = next(each for each in clip.pictures if each.variant == whole.baseline)
    guess, target = (np.asarray(Image.open(path)) for path in (picture.path, clip.target))
    error = abs(guess.astype(float) - target).mean(-1) * 4 / 255

    def same(image: AxesImage, wanted: Any) -> bool:
        array = image.get_array()
        return array is not None and array.shape == wanted.shape and np.allclose(array, wanted)

    assert any(same(image, guess) for image in shown)
    assert any(same(image, error) for image in shown)


@pytest.mark.parametrize("name", FIGURES)
def test_a_study_without_results_has_reasons_instead_of_figures(
    name: str, bare: Comparison
) -> None:
    drawn = FIGURES[name](bare)
    assert isinstance(drawn, NotApplicable)
    assert len(drawn.reason) > 20


@pytest.mark.parametrize("name", ["seeds", "forest", "learning_curves", "health"])
def test_a_failed_variant_is_left_out_and_never_drawn_at_zero(
    name: str, partial: Comparison
) -> None:
    failed = next(row.variant for row in partial.rows if row.state == "failed")
    for axes in draw(name, partial):
        words = {str(line.get_label()) for line in axes.get_lines()}
        words |= {tick.get_text() for tick in axes.get_yticklabels()}
        assert failed not in words


def test_of_many_variants_the_baseline_is_always_shown(pictures: Any) -> None:
    names = [f"variant {index:02d}" for index in range(30)]
    many = sample.comparison(pictures / "many", names, gallery=0)
    drawn = FIGURES["learning_curves"](many)
    assert isinstance(drawn, Drawing)
    labels = [line.get_label() for line in drawn.figure.axes[0].get_lines()]
    assert many.baseline in labels
    assert len(labels) == 7
    assert "7 of 30 variants" in drawn.caption


def test_a_variant_looks_the_same_in_every_figure(whole: Comparison) -> None:
    colours: dict[str, set[Any]] = {}
    for name in ("learning_curves", "pareto", "strata", "health"):
        for axes in draw(name, whole):
            for line in axes.get_lines():
                colours.setdefault(str(line.get_label()), set()).add(line.get_color())
    assert all(len(colours[row.variant]) == 1 for row in whole.rows if row.role != "reference")


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", FIGURES)
def test_hostile_labels_break_no_figure(name: str, hostile: Comparison) -> None:
    drawn = FIGURES[name](hostile)
    assert isinstance(drawn, Drawing)
    drawn.figure.draw_without_rendering()


def test_a_figure_is_drawn_by_its_name(whole: Comparison) -> None:
    figure = figures.draw(whole, "forest")
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == [each.variant for each in whole.contrasts]
    assert figure.get_facecolor()[3] == 1


def test_a_figure_that_a_study_cannot_have_says_why(bare: Comparison) -> None:
    with pytest.raises(NotApplicableError, match="'forest': no variant can be paired"):
        figures.draw(bare, "forest")


def test_an_unknown_figure_names_the_known_ones(whole: Comparison) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'forest'.*known: seeds"):
        figures.draw(whole, "forrest")
