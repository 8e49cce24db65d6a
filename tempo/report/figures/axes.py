"""Draw what every figure shares: empty axes, names of rows, interval bars, a legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from tempo.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
) -> None:
    """Draw the interval of each (place, number); no bar where the data carry no interval."""
    for place, each in found:
        if each.low is None or each.high is None:
            continue
        ends = [(place, each.low), (place, each.high)]
        x, y = zip(*(ends if vertical else [end[::-1] for end in ends]), strict=True)
        axes.plot(x, y, color=colour, linewidth=1.0, solid_capstyle="butt", zorder=2)
