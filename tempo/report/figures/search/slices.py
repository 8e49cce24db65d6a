"""Draw each parameter on its own against the value that the trials reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempo.records.search_record import ParameterInfo, SearchSummary
from tempo.report import search_trials as of
from tempo.report.applicability import NotApplicable
from tempo.report.figures import style
from tempo.report.figures.figure_helpers import Drawing, blank, legend
from tempo.report.figures.search import trial_marks as marks
from tempo.report.figures.search.axis_scale import window
from tempo.report.formats import numbers
from tempo.report.formats.phrases import sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3


def draw(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw one panel a parameter; all share the axis of the first objective."""
    values = [v for t in summary.trials if t.params and (v := of.reached(t)) is not None]
    if not values or not summary.space:
        return NotApplicable("no trial of the space has a value yet")
    info, count = summary.objectives[0], len(summary.space)
    lines = -(-count // ACROSS)
    figure, panels = blank(0.5 + 1.75 * lines, lines, ACROSS, width=style.WIDE, sharey=True)
    low, high = window(values)
    for axes, parameter in zip(panels, summary.space, strict=False):
        _panel(axes, parameter, summary, (low, high))
    for axes in panels[count:]:
        axes.set_visible(False)
    panels[0].set_ylim(low, high)
    for axes in panels[::ACROSS]:
        axes.set_ylabel(of.axis(info))
    legend(figure, max(panels[:count], key=_kinds), style.WIDE)
    caption = sentences(
        f"Each parameter against {of.title(info)} on validation, other parameters as they were.",
        f"n = {len(values)} trials; a pruned one stands at its last validation.",
        marks.cut_off(sum(not low <= value <= high for value in values)),
    )
    return Drawing(figure, caption)


def _kinds(axes: Axes) -> int:
    return len(axes.get_legend_handles_labels()[1])


def points(
    parameter: ParameterInfo, summary: SearchSummary, ends: tuple[float, float]
) -> list[tuple[float, float, str]]:
    """Return (place, value, kind) of each trial with the parameter; levels by index."""
    found = []
    for trial in summary.trials:
        at, value = trial.params.get(parameter.name), of.reached(trial)
        if at is None or value is None or (parameter.levels and at not in parameter.levels):
            continue
        place = float(parameter.levels.index(str(at)) if parameter.levels else at)
        found.append((place, min(max(value, ends[0]), ends[1]), marks.kind(trial, summary)))
    return found


def _panel(
    axes: Axes, parameter: ParameterInfo, summary: SearchSummary, ends: tuple[float, float]
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if parameter.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif not parameter.levels:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=parameter.whole))
    marks.scatter(axes, points(parameter, summary, ends))
    if parameter.levels:
        words = [numbers.shorten(level, 10) for level in parameter.levels]
        axes.set_xticks(range(len(words)), words)
        axes.set_xlim(-0.5, len(words) - 0.5)
    axes.set_xlabel(numbers.shorten(parameter.name, 24))
    axes.grid(axis="y")
