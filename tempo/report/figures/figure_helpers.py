"""What every figure is made with: an empty figure in the common style, a legend, an interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tempo.compare.comparison import Comparison, Row
from tempo.report.applicability import trained
from tempo.report.figures import style
from tempo.report.formats import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn figure. The caption says what is shown, n, and the kind of interval."""

    figure: Figure
    caption: str


@dataclass(frozen=True, slots=True)
class Cast:
    """The variants that a figure shows, and how. `omitted` says who is left out, if anyone."""

    names: tuple[str, ...]
    labels: Mapping[str, str]
    looks: Mapping[str, style.Look]
    omitted: str = ""


def cast(comparison: Comparison, among: Iterable[str], limit: int = 7, length: int = 26) -> Cast:
    """The variants of `among` to draw; above `limit`, the baseline and the highest ranked.

    Colours and labels are the same in every figure of a comparison.
    """
    everyone = [row.variant for row in trained(comparison)]
    wanted = set(among)
    rows = [row for row in trained(comparison) if row.variant in wanted]
    chosen = {row.variant for row in sorted(rows, key=_place)[:limit]}
    names = tuple(row.variant for row in rows if row.variant in chosen)
    omitted = ""
    if len(names) < len(rows):
        omitted = f"Shown: {len(names)} of {len(rows)} variants, the baseline and the best ranked."
    return Cast(
        names=names,
        labels=numbers.labels(everyone, length),
        looks=style.looks(everyone, comparison.baseline),
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
    """A figure `width` by `height` inches with `rows` x `columns` axes, row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    return figure, list(grid.flat)


def legend(figure: Figure, axes: Axes, width: float = style.COLUMN) -> None:
    """One legend above the axes, in as many columns as its labels allow."""
    handles, names = axes.get_legend_handles_labels()
    if not names:
        return
    longest = max(len(name) for name in names)
    columns = max(1, min(len(names), int(width * 18.5 // (longest + 5))))
    figure.legend(
        handles, names, loc="outside upper left", ncols=columns, columnspacing=1.2, labelspacing=0.3
    )


def whisker(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    low: Sequence[float | None],
    high: Sequence[float | None],
    *,
    vertical: bool,
    colour: str,
) -> None:
    """Interval bars through (x, y), none where the data carry no interval."""
    for at_x, at_y, lower, upper in zip(x, y, low, high, strict=True):
        if lower is None or upper is None:
            continue
        ends = ([at_x, at_x], [lower, upper]) if vertical else ([lower, upper], [at_y, at_y])
        axes.plot(*ends, color=colour, linewidth=1.0, solid_capstyle="butt", zorder=2)
