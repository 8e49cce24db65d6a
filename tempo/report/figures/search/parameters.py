"""Draw the parameters of trials: parallel coordinates, slices, and the importance of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tempo.records.search_record import Importance, ParameterInfo, SearchSummary, TrialRecord
from tempo.report import search_trials as of
from tempo.report.figures import style
from tempo.report.figures.drawing import Drawing, annotate, blank, interval_bars, legend, name_rows
from tempo.report.figures.search import trial_values as marks
from tempo.report.figures.search.trial_values import fraction, window
from tempo.report.figures.style import SERIES
from tempo.report.formats import numbers
from tempo.report.formats.phrases import METHODS, axis_label, sentences, title, title_of
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST = 3
UPPER = 0.25
"""The share of the trials that is drawn in colour."""


def draw_parallel(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw the finished trials of the space; a gap where a parameter does not apply."""
    whole = [t for t in summary.trials if of.finished(t) is not None and t.params]
    if len(whole) < LEAST or not summary.space:
        return NotApplicable(f"fewer than {LEAST} finished trials of the space")
    info = summary.objectives[0]
    ranks = sorted(whole, key=lambda t: of.goodness(of.finished(t) or 0.0, info))
    upper = {t.variant for t in ranks[-max(1, round(UPPER * len(ranks))) :]}
    low, high = window([value for t in whole if (value := of.finished(t)) is not None])
    wide = len(summary.space) > 3
    figure, (axes,) = blank(2.5, width=style.WIDE if wide else style.COLUMN)
    for trial in ranks:
        heights = line(summary, trial, (low, high))
        _line(axes, heights, trial, summary, top=trial.variant in upper)
    _axes(axes, summary, (low, high))
    legend(figure, axes, style.WIDE if wide else style.COLUMN)
    caption = sentences(
        f"{len(whole)} finished trials, each a line through its parameters to its {title(info)}",
        f"on validation. In colour: the best {numbers.percent(UPPER)}; dark: the best.",
        "Logarithmic axes where the search is logarithmic; a gap where a parameter does not apply.",
    )
    return Drawing(figure, caption)


def line(summary: SearchSummary, trial: TrialRecord, ends: tuple[float, float]) -> list[float]:
    """Return heights from 0 to 1 on each axis, the objective last; NaN where there is no value."""
    params = trial.params
    heights = [
        fraction(each, params[each.name]) if each.name in params else math.nan
        for each in summary.space
    ]
    value = of.finished(trial)
    low, high = ends
    return [
        *heights,
        math.nan if value is None else min(1.0, max(0.0, (value - low) / (high - low))),
    ]


def _line(
    axes: Axes, heights: list[float], trial: TrialRecord, summary: SearchSummary, *, top: bool
) -> None:
    best = trial.variant in (summary.front or summary.best)
    colour = style.TEXT if best else style.SERIES[0] if top else style.RULE
    label = "best" if best else "best quarter" if top else "others"
    taken = axes.get_legend_handles_labels()[1]
    axes.plot(
        range(len(heights)),
        heights,
        color=colour.light,
        linewidth=1.6 if best else 0.8,
        label=None if label in taken else label,
        zorder=4 if best else 3 if top else 2,
    )


def _axes(axes: Axes, summary: SearchSummary, ends: tuple[float, float]) -> None:
    info = summary.objectives[0]
    names = [numbers.shorten(each.name, 14) for each in summary.space] + [axis_label(info)]
    for place in range(len(names)):
        axes.axvline(place, color=style.QUIET.light, linewidth=0.6, zorder=1)
    for place, each in enumerate(summary.space):
        ticks = each.levels or (of.setting(each.low), of.setting(each.high))
        _ticks(axes, place, ticks)
    _ticks(axes, len(summary.space), [numbers.fixed(end, info.digits) for end in ends])
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.15, len(names) - 0.55)
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _ticks(axes: Axes, place: int, words: tuple[str, ...] | list[str]) -> None:
    for index, word in enumerate(words):
        at = (place, index / max(1, len(words) - 1))
        box = {"facecolor": style.PAPER.light, "linewidth": 0, "pad": 0.6}
        options: Any = {"fontsize": 6.5, "va": "center", "zorder": 5, "bbox": box}
        annotate(axes, numbers.shorten(word, 12), at, (3, 0), color=style.TEXT.light, **options)


ACROSS = 3


def draw_slices(summary: SearchSummary) -> Drawing | NotApplicable:
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
        axes.set_ylabel(axis_label(info))
    legend(figure, max(panels[:count], key=_kinds), style.WIDE)
    caption = sentences(
        f"Each parameter against {title(info)} on validation, other parameters as they were.",
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
        found.append((place, min(max(value, ends[0]), ends[1]), marks.kind_of(trial, summary)))
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


METHOD_LOOKS = {"fanova": ("o", SERIES[0].light, -0.13), "ped_anova": ("s", SERIES[1].light, 0.13)}


def draw_importance(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw one panel an objective, one line a parameter, a mark and a level of noise a method."""
    found = summary.importances
    if not found:
        return NotApplicable("too few finished trials tell the parameters apart")
    objectives = list(dict.fromkeys(each.objective for each in found))
    share: dict[tuple[str, str, str], Importance] = {
        (e.objective, e.evaluator, e.parameter): e for e in found
    }
    figure, panels = blank(
        0.6 + len(objectives) * (0.35 + 0.24 * len(summary.space)), len(objectives)
    )
    for axes, objective in zip(panels, objectives, strict=True):
        mine = [each for each in found if each.objective == objective]
        order = list(dict.fromkeys(e.parameter for e in sorted(mine, key=lambda e: -e.share)))
        for method, (marker, colour, shift) in METHOD_LOOKS.items():
            here = [(i, share.get((objective, method, name))) for i, name in enumerate(order)]
            there = [(i + shift, each) for i, each in here if each is not None]
            x, y = [each.share for _, each in there], [at for at, _ in there]
            interval_bars(axes, there, colour)
            if there:
                axes.plot(x, y, marker, color=colour, markersize=4.4, label=METHODS[method])
            levels = [(each.noise, at) for at, each in there if each.noise is not None]
            if levels:
                reached, rows = zip(*levels, strict=True)
                name = f"noise alone, {METHODS[method]}"
                axes.plot(reached, rows, "|", color=colour, markersize=9, label=name)
        name_rows(axes, [numbers.shorten(name, 24) for name in order])
        axes.spines["left"].set_visible(True)
        axes.set_xlim(left=0)
        axes.set_xlabel(f"share explained, {title_of(objective)}")
    legend(figure, panels[0])
    caption = of.importance_caption(summary)
    return Drawing(figure, caption)
