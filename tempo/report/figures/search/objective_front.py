"""Draw the trials by several objectives, and the Pareto front among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempo.records.search_record import SearchSummary
from tempo.report import search_trials as of
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank, legend
from tempo.report.figures.search import trial_marks as marks
from tempo.report.figures.style import QUIET
from tempo.report.formats.phrases import sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw the first objective against each other one."""
    others = range(1, len(summary.objectives))
    if not others:
        return NotApplicable("the search has one objective")
    whole = [trial for trial in summary.trials if of.finished(trial) is not None]
    if not whole:
        return NotApplicable("no trial has all its seeds yet")
    figure, panels = blank(0.5 + 2.1 * len(others), len(others))
    for axes, index in zip(panels, others, strict=True):
        _panel(axes, summary, index)
    legend(figure, panels[0])
    caption = sentences(
        f"The {len(whole)} trials that ran all their seeds, on validation, means without",
        f"interval; stars: the {len(summary.front)} that no other beats in every objective.",
        "The line joins them." if len(summary.objectives) == 2 else "",
    )
    return Drawing(figure, caption)


def _panel(axes: Axes, summary: SearchSummary, index: int) -> None:
    points = []
    for trial in summary.trials:
        x, y = of.finished(trial, index), of.finished(trial)
        if x is not None and y is not None:
            points.append((x, y, marks.kind(trial, summary)))
    if len(summary.objectives) == 2:
        front = sorted((x, y) for x, y, kind in points if kind in marks.WINNERS)
        later = summary.objectives[1].better == "lower"
        axes.plot(
            [x for x, _ in front],
            [y for _, y in front],
            color=QUIET.light,
            linewidth=0.7,
            drawstyle="steps-post" if later else "steps-pre",
        )
    marks.scatter(axes, points)
    axes.set_xlabel(of.axis(summary.objectives[index]))
    axes.set_ylabel(of.axis(summary.objectives[0]))
    axes.margins(0.08)
    axes.grid()
