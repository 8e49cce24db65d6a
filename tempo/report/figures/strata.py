"""Draw the primary metric by motion, occlusion and texture of the clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import Stratum
from tempo.report.applicability import NotApplicable
from tempo.report.figures.axes import blank, interval_bars, legend
from tempo.report.figures.figure_helpers import Drawing, ShownVariants, shown_variants
from tempo.report.figures.style import QUIET
from tempo.report.formats.phrases import axis_label, interval_kind, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Which = Literal["values", "differences"]
UNITS = {"motion": "motion (px)", "occlusion": "occlusion (share of pixels)"}


def draw(comparison: Comparison, which: Which = "values") -> Drawing | NotApplicable:
    """Draw each variant, or its difference from the baseline, in each stratum.

    One panel a property, one place a stratum.
    """
    groups: dict[str, list[Stratum]] = {}
    for stratum in comparison.strata:
        if stratum.metric == comparison.metric and stratum.values:
            groups.setdefault(stratum.by, []).append(stratum)
    if not groups:
        return NotApplicable(
            "there are too few clips, or no recorded property of them, to split them by"
        )
    among = {name for group in groups.values() for each in group for name in getattr(each, which)}
    if which == "differences":
        among.discard(comparison.baseline or "")
    shown = shown_variants(comparison, among, 6)
    if not shown.names:
        return NotApplicable("no variant can be compared with the baseline in a stratum")
    figure, panels = blank(0.5 + 1.7 * len(groups), len(groups))
    prefix = "" if which == "values" else "Δ "
    for axes, (by, group) in zip(panels, groups.items(), strict=True):
        _panel(axes, group, shown, which)
        axes.set_xlabel(UNITS.get(by, by))
        axes.set_ylabel(axis_label(comparison.info(comparison.metric), prefix))
    legend(figure, panels[0])
    some = getattr(next(iter(groups.values()))[0], which).get(shown.names[0])
    what = "Mean" if which == "values" else f"Difference from {comparison.baseline}"
    caption = sentences(
        f"{what} by {' and by '.join(groups)} of the clip; n: {comparison.split} clips in each "
        "group.",
        interval_kind(some, "Bar"),
        shown.omitted,
    )
    return Drawing(figure, caption)


def _panel(axes: Axes, group: list[Stratum], shown: ShownVariants, which: Which) -> None:
    if which == "differences":
        axes.axhline(0, color=QUIET.light, linewidth=0.7)
    gap = 0.6 / max(1, len(shown.names))
    for index, name in enumerate(shown.names):
        look = shown.styles[name]
        shift = gap * (index - (len(shown.names) - 1) / 2)
        found = [
            (place + shift, getattr(stratum, which)[name])
            for place, stratum in enumerate(group)
            if name in getattr(stratum, which)
        ]
        interval_bars(axes, found, look.colour, vertical=True)
        axes.plot(
            [place for place, _ in found],
            [interval.value for _, interval in found],
            look.marker,
            linestyle="none",
            color=look.colour,
            markersize=3.6,
            label=shown.labels[name],
        )
    ticks = [f"{each.low:.2g}–{each.high:.2g}\nn = {each.clips}" for each in group]
    axes.set_xticks(range(len(group)), ticks)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y")
