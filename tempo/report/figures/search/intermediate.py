"""Draw the validations of trials by step; the curves of pruned trials end early."""

from __future__ import annotations

from tempo.records.search_record import SearchSummary
from tempo.report import search_trials as of
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank, legend
from tempo.report.figures.search import trial_marks as marks
from tempo.report.figures.search.axis_scale import window
from tempo.report.figures.style import BAD, RULE, SERIES, TEXT, UNSURE
from tempo.report.formats.phrases import sentences

LOOKS = {
    "best": (TEXT.light, "solid", 1.6, 4),
    "on the front": (TEXT.light, "solid", 1.6, 4),
    "first trial": (SERIES[1].light, (0, (4, 1.5)), 1.1, 3),
    "pruned": (UNSURE.light, "solid", 0.7, 2),
    "failed": (BAD.light, (0, (1, 1.2)), 0.7, 2),
}
OTHERS = (SERIES[0].light, "solid", 0.7, 2)


def draw(summary: SearchSummary) -> Drawing | NotApplicable:
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
