"""Draw evaluated methods over the time of the target, motion or occlusion: a panel a test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tempo.comparison.clip_strata import ClipStratum
from tempo.report.figures import drawing
from tempo.report.figures.strata import name_bins
from tempo.report.figures.style import COLUMN, VariantStyle, variant_styles
from tempo.report.formats import numbers
from tempo.report.formats.phrases import axis_label, property_title, sentences, span, title
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(strata: Sequence[ClipStratum]) -> drawing.Drawing | NotApplicable:
    """Draw the mean of each method in each stratum, joined by lines over the time of the target."""
    if not strata:
        return NotApplicable("the clips of no test set differ in this property")
    by, info = strata[0].by, strata[0].metric
    panels: dict[tuple[str, str], list[ClipStratum]] = {}
    for each in strata:
        panels.setdefault((each.test_set, each.protocol_hash), []).append(each)
    methods = list(dict.fromkeys(name for each in strata for name in each.values))
    styles = variant_styles(methods, None)
    labels = numbers.labels(methods, 26)
    figure, axes = drawing.blank(0.5 + 1.9 * len(panels), len(panels), width=COLUMN)
    points: list[drawing.Point] = []
    for place, (one, ((test_set, _), group)) in enumerate(zip(axes, panels.items(), strict=True)):
        one.set_title(test_set)
        one.set_xlabel(property_title(by, unit=True))
        points += _panel(one, place, group, styles, labels)
        one.set_ylabel(axis_label(info))
    drawing.legend(figure, axes[0])
    caption = sentences(
        f"{title(info)} by {property_title(by)}, mean over the clips of each group, without "
        "intervals."
    )
    return drawing.Drawing(figure, caption, points)


def _panel(
    axes: Axes,
    panel: int,
    group: Sequence[ClipStratum],
    styles: Mapping[str, VariantStyle],
    labels: Mapping[str, str],
) -> list[drawing.Point]:
    exact = all(each.low == each.high for each in group)
    places = [each.low if exact else float(place) for place, each in enumerate(group)]
    points: list[drawing.Point] = []
    for name, look in styles.items():
        found = [(x, each) for x, each in zip(places, group, strict=True) if name in each.values]
        if not found:
            continue
        x, y = [x for x, _ in found], [each.values[name] for _, each in found]
        (line,) = axes.plot(x, y, color=look.colour, linestyle=look.dash, linewidth=0.9)
        drawing.belongs_to(line, labels[name])
        drawing.mark_points(axes, x, y, look.marker, look.colour, markersize=3.4,
                            label=labels[name])  # fmt: skip
        for at, each in found:
            value = numbers.fixed(each.values[name], each.metric.digits)
            where = f"{name}, {span(each.low, each.high)}"
            text = f"{drawing.value_text(where, value, None, None, 0)}\nn = {each.clips} clips"
            points.append(drawing.Point(panel, at, each.values[name], text, labels[name]))
    name_bins(axes, places, group)
    axes.grid(axis="y")
    return points
