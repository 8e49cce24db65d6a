"""Define a drawing, choose the variants to show, and draw what every figure shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tempo.comparison.comparison import Comparison, Row
from tempo.report.figures import style
from tempo.report.formats import numbers

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = "series:"
"""How the group ids of artists begin that belong to an entry of the legend."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a figure that says on the page what stands there: value, interval, seed, run.

    `axes` counts the figure's axes, `x` and `y` are data; `name` is the label in the legend, empty
    without one; `link` leads to the runs.
    """

    axes: int
    x: float
    y: float
    text: str
    name: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn figure. The caption says what is shown, n, and the kind of interval.

    `points` answer to the mouse on the page; `logarithmic` names the axes ("x", "y") that a reader
    may switch between a linear and a logarithmic scale; `stretch`: the page may draw it wider.
    """

    figure: Figure
    caption: str
    points: Sequence[Point] = ()
    logarithmic: str = ""
    stretch: bool = True


@dataclass(frozen=True, slots=True)
class ShownVariants:
    """The variants of a figure, their labels and styles; `omitted` says how many are left out."""

    names: tuple[str, ...]
    labels: Mapping[str, str]
    styles: Mapping[str, style.VariantStyle]
    omitted: str = ""

    def tick_labels(self) -> list[str]:
        """Return the labels of the shown variants, in order."""
        return [self.labels[name] for name in self.names]

    def line(self, name: str) -> dict[str, Any]:
        """Return the options of a variant's line: colour, dash and label."""
        look = self.styles[name]
        return {"color": look.colour, "linestyle": look.dash, "label": self.labels[name]}


def shown_variants(
    comparison: Comparison, among: Iterable[str], limit: int = 7, length: int = 26
) -> ShownVariants:
    """Choose the variants of `among` to draw; above `limit`, the baseline and the highest ranked.

    Colours and labels are the same in every figure of a comparison.
    """
    everyone = [row.variant for row in comparison.trained]
    wanted = set(among)
    rows = [row for row in comparison.trained if row.variant in wanted]
    chosen = {row.variant for row in sorted(rows, key=_place)[:limit]}
    names = tuple(row.variant for row in rows if row.variant in chosen)
    omitted = ""
    if len(names) < len(rows):
        omitted = f"Shown: {len(names)} of {len(rows)} variants, the baseline and the best ranked."
    return ShownVariants(
        names=names,
        labels=numbers.labels(everyone, length),
        styles=style.variant_styles(everyone, comparison.baseline),
        omitted=omitted,
    )


def _place(row: Row) -> tuple[bool, float]:
    return (row.role != "baseline", math.inf if row.rank is None else row.rank)


def blank(
    height: float,
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = style.COLUMN,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Return a figure `width` by `height` inches with `rows` x `columns` axes, row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    return figure, list(grid.flat)


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a figure down the left, the first at the top, with vertical grid lines."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def legend(figure: Figure, axes: Axes, width: float = style.COLUMN) -> None:
    """Draw one legend above the axes, in as many columns as its labels allow."""
    handles, names = axes.get_legend_handles_labels()
    if not names:
        return
    longest = max(len(name) for name in names)
    columns = max(1, min(len(names), int(width * 18.5 // (longest + 5))))
    figure.legend(
        handles, names, loc="outside upper left", ncols=columns, columnspacing=1.2, labelspacing=0.3
    )


class Bounded(Protocol):
    """A number with an interval, or without."""

    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def interval_bars(
    axes: Axes,
    found: Iterable[tuple[float, Bounded]],
    colour: str,
    *,
    vertical: bool = False,
    name: str = "",
) -> None:
    """Draw the interval of each (place, number); no bar where the data carry no interval.

    `name`: the label in the legend with which the bars are hidden on the page.
    """
    for place, each in found:
        if each.low is None or each.high is None:
            continue
        ends = [(place, each.low), (place, each.high)]
        x, y = zip(*(ends if vertical else [end[::-1] for end in ends]), strict=True)
        (bar,) = axes.plot(x, y, color=colour, linewidth=1.0, solid_capstyle="butt", zorder=2)
        belongs_to(bar, name)


def belongs_to(artist: Artist, name: str) -> None:
    """Say that an artist belongs to the entry `name` of the legend; empty: to no entry."""
    artist.set_gid(f"{SERIES}{name}")


def cut_marks(
    axes: Axes, found: Iterable[tuple[float, Bounded]], ends: tuple[float, float], colour: str
) -> bool:
    """Draw an arrow where an interval goes beyond an end of the x axis; return whether any does."""
    low, high = ends
    cut = False
    for place, each in found:
        for end, is_beyond, marker in (
            (low, each.low is not None and each.low < low, "<"),
            (high, each.high is not None and each.high > high, ">"),
        ):
            if is_beyond:
                axes.plot([end], [place], marker, color=colour, markersize=3.4, clip_on=False)
                cut = True
    return cut


CUT = "Arrow: the interval goes on beyond the axis; the table has its ends."


def mark_points(
    axes: Axes, x: Any, y: Any, marker: str, colour: str, *, filled: bool = True, **options: Any
) -> None:
    """Draw markers without a line between them; an open marker has the colour of paper inside."""
    face = colour if filled else style.PAPER.light
    axes.plot(x, y, marker, linestyle="none", color=colour, markerfacecolor=face, **options)


def value_text(name: str, value: str, low: float | None, high: float | None, digits: int) -> str:
    """Return `name: value [low, high]`, what a point of a figure says on hover."""
    return f"{name}: {value} {numbers.bounds(low, high, digits, sign=False)}".rstrip()


def front_line(axes: Axes, points: Sequence[tuple[float, float]], **options: Any) -> None:
    """Join the points of a Pareto front, in their order, by steps."""
    x, y = [at for at, _ in points], [value for _, value in points]
    (line,) = axes.plot(x, y, color=style.QUIET.light, linewidth=0.7, **options)
    belongs_to(line, "")


def annotate(
    axes: Axes, text: str, place: tuple[float, float], shift: tuple[float, float], **options: Any
) -> None:
    """Write `text` beside a place, `shift` points to the right and up."""
    axes.annotate(text, place, xytext=shift, textcoords="offset points", **options)
