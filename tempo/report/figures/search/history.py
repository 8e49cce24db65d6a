"""Draw the history of a search: every trial by its number, and the best so far."""

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
    """Draw one panel an objective; failed trials, which have no value, stand at the foot."""
    from matplotlib.ticker import MaxNLocator

    shown = of.numbered(summary)
    if not any(of.reached(trial) is not None for trial in shown):
        return NotApplicable("no trial has a value yet")
    count = len(summary.objectives)
    figure, panels = blank(0.6 + 1.9 * count, count, sharex=True)
    beyond = [_panel(axes, summary, index) for index, axes in enumerate(panels)]
    panels[-1].set_xlabel("trial")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, panels[0])
    seeds = len(summary.seeds)
    return Drawing(
        figure,
        sentences(
            f"Every trial by its number (n = {len(shown)}), on validation; the line is the best "
            "so far.",
            f"A value is the mean over {seeds} seed{'' if seeds == 1 else 's'}, without interval;",
            "a pruned trial stands at its last validation, a failed one at the foot.",
            marks.cut_off(max(beyond)),
        ),
    )


def _panel(axes: Axes, summary: SearchSummary, index: int) -> int:
    info, shown = summary.objectives[index], of.numbered(summary)
    values = [value for trial in shown if (value := of.reached(trial, index)) is not None]
    if not values:
        axes.set_ylabel(of.axis(info))
        return 0
    low, high, beyond = marks.limit_values(axes, values, info)
    points = []
    for trial in shown:
        kind, value = marks.kind(trial, summary), of.reached(trial, index)
        if value is None and kind == "failed":
            value = low
        if value is not None:
            points.append((float(trial.number or 0), min(max(value, low), high), kind))
    steps = of.best_so_far(shown, info, index)
    if steps:
        x, y = [at for at, _ in steps], [value for _, value in steps]
        last = max(float(shown[-1].number or 0), x[-1])
        axes.step([*x, last], [*y, y[-1]], where="post", color=QUIET.light, label="best so far")
    marks.scatter(axes, points)
    return beyond
