"""Draw the values of trials: their history, validations while training, the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempo.records.search_record import SearchSummary
from tempo.report import search_trials as of
from tempo.report.applicability import NotApplicable
from tempo.report.figures.axes import blank, legend
from tempo.report.figures.figure_helpers import Drawing
from tempo.report.figures.search import trial_marks as marks
from tempo.report.figures.search.trial_marks import window
from tempo.report.figures.style import BAD, QUIET, RULE, SERIES, TEXT, UNSURE
from tempo.report.formats.phrases import sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_history(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw one panel an objective; failed trials, which have no value, stand at the foot."""
    from matplotlib.ticker import MaxNLocator

    shown = of.numbered(summary)
    if not any(of.reached(trial) is not None for trial in shown):
        return NotApplicable("no trial has a value yet")
    count = len(summary.objectives)
    figure, panels = blank(0.6 + 1.9 * count, count, sharex=True)
    beyond = [_history(axes, summary, index) for index, axes in enumerate(panels)]
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


def _history(axes: Axes, summary: SearchSummary, index: int) -> int:
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


LOOKS = {
    "best": (TEXT.light, "solid", 1.6, 4),
    "on the front": (TEXT.light, "solid", 1.6, 4),
    "first trial": (SERIES[1].light, (0, (4, 1.5)), 1.1, 3),
    "pruned": (UNSURE.light, "solid", 0.7, 2),
    "failed": (BAD.light, (0, (1, 1.2)), 0.7, 2),
}
OTHERS = (SERIES[0].light, "solid", 0.7, 2)


def draw_intermediate(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw the curve of the first seed of every trial that has one."""
    curves = [trial for trial in summary.trials if trial.curve]
    if not curves:
        return NotApplicable("no trial was validated while it trained")
    info = summary.objectives[0]
    figure, (axes,) = blank(2.4)
    low, high = window([value for trial in curves for _, value in trial.curve])
    taken: set[str] = set()
    for trial in curves:
        kind = marks.kind(trial, summary)
        colour, dash, width, order = LOOKS.get(kind, OTHERS)
        name = kind if kind in LOOKS else "complete"
        axes.plot(
            [step for step, _ in trial.curve],
            [value for _, value in trial.curve],
            color=colour,
            linestyle=dash,
            linewidth=width,
            zorder=order,
            marker="v" if kind == "pruned" else None,
            markevery=[-1],
            markersize=3.2,
            label=None if name in taken else name,
        )
        taken.add(name)
    axes.set_ylim(low, high)
    axes.set_xlabel("training step")
    axes.set_ylabel(of.axis(info))
    axes.grid(axis="y", color=RULE.light)
    legend(figure, axes)
    pruned = sum(trial.state == "pruned" for trial in curves)
    caption = sentences(
        f"{of.title(info)} on validation by step, the first seed of {len(curves)} trials;",
        f"{pruned} were pruned (triangle: where). Without interval: one seed each.",
    )
    return Drawing(figure, caption)


def draw_front(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw the first objective against each other one."""
    others = range(1, len(summary.objectives))
    if not others:
        return NotApplicable("the search has one objective")
    whole = [trial for trial in summary.trials if of.finished(trial) is not None]
    if not whole:
        return NotApplicable("no trial has all its seeds yet")
    figure, panels = blank(0.5 + 2.1 * len(others), len(others))
    for axes, index in zip(panels, others, strict=True):
        _objectives(axes, summary, index)
    legend(figure, panels[0])
    caption = sentences(
        f"The {len(whole)} trials that ran all their seeds, on validation, means without",
        f"interval; stars: the {len(summary.front)} that no other beats in every objective.",
        "The line joins them." if len(summary.objectives) == 2 else "",
    )
    return Drawing(figure, caption)


def _objectives(axes: Axes, summary: SearchSummary, index: int) -> None:
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
