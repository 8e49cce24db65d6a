"""Draw the primary metric by clip: by motion, occlusion and texture, and against the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import ClipTable, Stratum
from tempo.core.records import MetricInfo
from tempo.report.figures import drawing
from tempo.report.figures.style import COLUMN, QUIET, SERIES, TEXT
from tempo.report.formats import numbers
from tempo.report.formats.phrases import (
    axis_label,
    interval_kind,
    property_title,
    sentences,
    span,
    title,
)
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Which = Literal["values", "differences"]
MOST_CLIPS = 2000
"""Dots of the scatter that answer to the mouse."""

MOST_TICKS = 7
"""Strata that are written below an axis."""


def draw(comparison: Comparison, which: Which = "values") -> drawing.Drawing | NotApplicable:
    """Draw variants or differences: one panel a property of clips, one place a stratum."""
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
    shown = drawing.shown_variants(comparison, among, 6)
    if not shown.names:
        return NotApplicable("no variant can be compared with the baseline in a stratum")
    figure, panels = drawing.blank(0.5 + 1.7 * len(groups), len(groups))
    prefix = "" if which == "values" else "Δ "
    points: list[drawing.Point] = []
    digits = comparison.info(comparison.metric).digits
    for place, (axes, (by, group)) in enumerate(zip(panels, groups.items(), strict=True)):
        axes.set_xlabel(property_title(by, unit=True))
        points += _panel(axes, group, shown, which, (place, digits))
        axes.set_ylabel(axis_label(comparison.info(comparison.metric), prefix))
    drawing.legend(figure, panels[0])
    some = getattr(next(iter(groups.values()))[0], which).get(shown.names[0])
    what = "Mean" if which == "values" else f"Difference from {comparison.baseline}"
    names = " and by ".join(map(property_title, groups))
    caption = sentences(
        f"{what} by {names} of the clip; n: {comparison.split} clips in each group.",
        interval_kind(some, "Bar"),
        shown.omitted,
    )
    return drawing.Drawing(figure, caption, points)


def _panel(
    axes: Axes,
    group: list[Stratum],
    shown: drawing.ShownVariants,
    which: Which,
    about: tuple[int, int],
) -> Iterator[drawing.Point]:
    """Draw one property; yield the points. `about`: place of the panel, decimals of the metric."""
    panel, digits = about
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
        label = shown.labels[name]
        drawing.interval_bars(axes, found, look.colour, vertical=True, name=label)
        x, y = [place for place, _ in found], [interval.value for _, interval in found]
        for place, interval in found:
            stratum = group[round(place)]
            where = f"{name}, {property_title(stratum.by)} {span(stratum.low, stratum.high)}"
            write = numbers.fixed if which == "values" else numbers.signed
            value, ends = write(interval.value, digits), (interval.low, interval.high, digits)
            text = f"{drawing.value_text(where, value, *ends)}\nn = {stratum.clips} clips"
            yield drawing.Point(panel, place, interval.value, text, label)
        drawing.mark_points(axes, x, y, look.marker, look.colour, markersize=3.6, label=label)
    name_bins(axes, range(len(group)), group)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y")


class OfClips(Protocol):
    """A bin of clips: its bounds and how many there are."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def clips(self) -> int: ...


def name_bins(axes: Axes, places: Sequence[float], group: Sequence[OfClips]) -> None:
    """Write bounds and n below the axis; of many bins some, and n only where it differs."""
    step = 1 + (len(group) - 1) // MOST_TICKS
    alike = step > 1 and len({each.clips for each in group}) == 1
    told = [span(each.low, each.high) + ("" if alike else f"\nn = {each.clips}") for each in group]
    axes.set_xticks(places[::step], told[::step])
    if alike:
        axes.set_xlabel(f"{axes.get_xlabel()}, n = {group[0].clips} each")


def draw_clips(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Draw the best-ranked variant that is not the baseline, against the baseline."""
    table, metric = comparison.clip_table, comparison.metric
    base = comparison.baseline
    values = table.values.get(metric, {}) if table else {}
    rival = rival_of(comparison, set(values))
    if table is None or base is None or base not in values or rival is None:
        return NotApplicable("per-clip values of the baseline and a second variant are needed")
    figure, (axes,) = drawing.blank(2.9, width=COLUMN)
    ends = (min(*values[base], *values[rival]), max(*values[base], *values[rival]))
    axes.axline((ends[0], ends[0]), slope=1, color=QUIET.light, linewidth=0.6, zorder=1)
    motion = table.properties.get("motion")
    # The outline has the colour of text, so that the darkest dots show on a dark page too.
    options: Any = {"s": 13, "linewidths": 0.4, "edgecolors": TEXT.light, "zorder": 2}
    if motion is None:
        axes.scatter(values[base], values[rival], color=SERIES[0].light, **options)
    else:
        dots = axes.scatter(values[base], values[rival], c=motion, cmap="cividis", **options)
        figure.colorbar(dots, ax=axes, label="motion (px)", shrink=0.7, aspect=24, pad=0.02)
    info = comparison.info(metric)
    unit = f" ({info.unit})" if info.unit else ""
    axes.set_xlabel(f"{numbers.shorten(base, 32)}{unit}")
    axes.set_ylabel(f"{numbers.shorten(rival, 32)}{unit}")
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid()
    caption = sentences(
        f"{title(info)} of each {comparison.split} clip (n = {len(table.clips)}), averaged over",
        f"seeds: {rival}, the best ranked beside the baseline, against {base}.",
        "Above the line the variant is better."
        if info.better == "higher"
        else "Below the line the variant is better.",
    )
    points = [
        drawing.Point(0, x, y, _clip_text(table, place, (x, y), info))
        for place, (x, y) in enumerate(zip(values[base], values[rival], strict=True))
    ]
    return drawing.Drawing(figure, caption, points[:MOST_CLIPS], stretch=False)


def _clip_text(table: ClipTable, place: int, values: tuple[float, float], info: MetricInfo) -> str:
    """Return what a dot of the scatter says: the clip, its source, both values."""
    x, y = (numbers.fixed(each, info.digits) for each in values)
    change = numbers.signed(values[1] - values[0], info.digits)
    return f"{table.clips[place]}, {table.sources[place]}: {x} to {y} ({change} {info.unit})"


def rival_of(comparison: Comparison, have: set[str]) -> str | None:
    """Return the best-ranked variant among `have` beside the baseline, or None."""
    rows = [r for r in comparison.trained if r.variant in have and r.role != "baseline"]
    ranked = sorted(rows, key=lambda row: float("inf") if row.rank is None else row.rank)
    return ranked[0].variant if ranked else None
