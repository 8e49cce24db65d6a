"""The primary metric by motion, occlusion and texture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tempo.compare.comparison import Comparison
from tempo.compare.evidence import Stratum
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Cast, Drawing, blank, cast, legend, whisker
from tempo.report.figures.style import QUIET
from tempo.report.formats.phrases import axis_label, interval_kind, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Which = Literal["values", "differences"]


UNITS = {"motion": "motion (px)", "occlusion": "occlusion (share of pixels)"}


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """The mean of each variant in each stratum."""
    return draw_of(comparison, "values")


def draw_of(comparison: Comparison, which: Which) -> Drawing | NotApplicable:
    """The `which` of each stratum: one panel a property, one place a stratum."""
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
    players = cast(comparison, among, 6)
    if not players.names:
        return NotApplicable("no variant can be compared with the baseline in a stratum")
    figure, panels = blank(0.5 + 1.7 * len(groups), len(groups))
    prefix = "" if which == "values" else "Δ "
    for axes, (by, group) in zip(panels, groups.items(), strict=True):
        _panel(axes, group, players, which)
        axes.set_xlabel(UNITS.get(by, by))
        axes.set_ylabel(axis_label(comparison.info(comparison.metric), prefix))
    legend(figure, panels[0])
    return Drawing(figure, _caption(comparison, groups, players, which))


def _panel(axes: Axes, group: list[Stratum], players: Cast, which: Which) -> None:
    if which == "differences":
        axes.axhline(0, color=QUIET.light, linewidth=0.7)
    gap = 0.6 / max(1, len(players.names))
    for index, name in enumerate(players.names):
        look = players.looks[name]
        shift = gap * (index - (len(players.names) - 1) / 2)
        found = [
            (k + shift, getattr(s, which)[name])
            for k, s in enumerate(group)
            if name in getattr(s, which)
        ]
        x = [at for at, _ in found]
        y = [interval.value for _, interval in found]
        low, high = [i.low for _, i in found], [i.high for _, i in found]
        whisker(axes, x, y, low, high, vertical=True, colour=look.colour)
        axes.plot(
            x,
            y,
            look.marker,
            linestyle="none",
            color=look.colour,
            markersize=3.6,
            label=players.labels[name],
        )
    axes.set_xticks(
        range(len(group)), [f"{_number(s.low)}–{_number(s.high)}\nn = {s.clips}" for s in group]
    )
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y")


def _number(value: float) -> str:
    return f"{value:.2g}"


def _caption(
    comparison: Comparison, groups: dict[str, list[Stratum]], players: Cast, which: Which
) -> str:
    kinds = " and by ".join(groups)
    some = getattr(next(iter(groups.values()))[0], which).get(players.names[0])
    what = "Mean" if which == "values" else f"Difference from {comparison.baseline}"
    return sentences(
        f"{what} by {kinds} of the clip; n: {comparison.split} clips in each group.",
        interval_kind(some, "Bar"),
        players.omitted,
    )
