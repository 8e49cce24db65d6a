"""Differences from the baseline with their intervals: a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tempo.compare.comparison import Comparison
from tempo.compare.statistics.quantities import Interval, Verdict, Word
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank, cast, whisker
from tempo.report.figures.style import BAD, GOOD, QUIET, RULE, TEXT, UNSURE
from tempo.report.formats.phrases import axis_label, interval_kind, seeds_range, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIMIT = 40

COLOURS = {
    Word.BETTER: GOOD.light,
    Word.WORSE: BAD.light,
    Word.EQUIVALENT: TEXT.light,
    Word.INCONCLUSIVE: UNSURE.light,
    Word.INCOMPARABLE: UNSURE.light,
}
MARKS = {
    Word.BETTER: "^",
    Word.WORSE: "v",
    Word.EQUIVALENT: "s",
    Word.INCONCLUSIVE: "o",
    Word.INCOMPARABLE: "x",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a forest plot."""

    label: str
    change: Interval
    verdict: Verdict


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Each variant minus the baseline in the primary metric."""
    contrasts = {
        each.variant: each
        for each in comparison.contrasts
        if each.metric == comparison.metric and each.difference is not None
    }
    players = cast(comparison, contrasts, LIMIT)
    if not players.names:
        return NotApplicable("no variant can be paired with the baseline yet")
    lines = [
        Line(players.labels[name], change, contrasts[name].verdict)
        for name in players.names
        if (change := contrasts[name].difference) is not None
    ]
    figure, (axes,) = blank(0.75 + 0.22 * len(lines))
    rows(axes, lines, comparison.delta)
    axes.set_xlabel(axis_label(comparison.info(comparison.metric), "difference in "))
    some = contrasts[players.names[0]]
    caption = sentences(
        f"Difference from the baseline ({comparison.baseline}), paired by seed and clip:",
        f"{seeds_range(len(contrasts[n].seeds) for n in players.names)},",
        f"{some.clips} clips from {some.sources} sources.",
        interval_kind(some.difference, "Bar"),
        no_difference(comparison),
        "Triangle: better or worse after Holm; square: equivalent; circle: inconclusive.",
        players.omitted,
    )
    return Drawing(figure, caption)


def no_difference(comparison: Comparison, where: str = " (shaded)") -> str:
    """What the shaded band means, for a caption; nothing where there is none."""
    if comparison.delta is None:
        return ""
    unit = comparison.info(comparison.metric).unit
    return f"Within ±{comparison.delta:g} {unit} counts as no difference{where}."


def rows(axes: Axes, lines: Sequence[Line], delta: float | None) -> None:
    """Draw `lines` top to bottom about zero, with the band of no difference."""
    if delta is not None:
        axes.axvspan(-delta, delta, color=RULE.light, alpha=0.45, linewidth=0)
    axes.axvline(0, color=QUIET.light, linewidth=0.7)
    for place, line in enumerate(lines):
        colour = COLOURS[line.verdict.word]
        change = line.change
        whisker(
            axes,
            [change.value],
            [place],
            [change.low],
            [change.high],
            vertical=False,
            colour=colour,
        )
        hollow = line.verdict.word is Word.INCONCLUSIVE
        axes.plot(
            [change.value],
            [place],
            MARKS[line.verdict.word],
            color=colour,
            markerfacecolor="#fffefb" if hollow else colour,
            markersize=4.6,
            zorder=3,
        )
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
