"""Draw the values of trials: history, validations, Pareto front, fresh seeds; mark their kinds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from tempo.records.search_record import ParameterInfo, SearchSummary, TrialRecord
from tempo.report import search_trials as of
from tempo.report.figures import drawing
from tempo.report.figures.search.trial_points import confirmation_points, trial_point
from tempo.report.figures.style import BAD, QUIET, RULE, SERIES, TEXT, UNSURE
from tempo.report.formats import numbers
from tempo.report.formats.phrases import axis_label, seeds_range, sentences, title
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_history(summary: SearchSummary) -> drawing.Drawing | NotApplicable:
    """Draw one panel an objective; failed trials, which have no value, stand at the foot."""
    from matplotlib.ticker import MaxNLocator

    shown = of.numbered(summary)
    if not any(of.reached(trial) is not None for trial in shown):
        return NotApplicable("no trial has a value yet")
    count = len(summary.objectives)
    figure, panels = drawing.blank(0.6 + 1.9 * count, count, sharex=True)
    told: list[drawing.Point] = []
    beyond = [_history(axes, summary, index, told) for index, axes in enumerate(panels)]
    panels[-1].set_xlabel("trial")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    drawing.legend(figure, panels[0])
    seeds = len(summary.seeds)
    return drawing.Drawing(
        figure,
        sentences(
            f"Every trial by its number (n = {len(shown)}), on validation; the line is the best "
            "so far.",
            f"A value is the mean over {seeds} seed{'' if seeds == 1 else 's'}, without interval;",
            "a pruned trial stands at its last validation, a failed one at the foot.",
            cut_off(max(beyond)),
        ),
        told,
    )


def _history(axes: Axes, summary: SearchSummary, index: int, told: list[drawing.Point]) -> int:
    """Draw one objective and add its points to `told`; return how many lie beyond the axis."""
    info, shown = summary.objectives[index], of.numbered(summary)
    values = [value for trial in shown if (value := of.reached(trial, index)) is not None]
    if not values:
        axes.set_ylabel(axis_label(info))
        return 0
    low, high = window(values)
    axes.set_ylim(low, high)
    axes.set_ylabel(axis_label(info))
    axes.grid(axis="y")
    points = []
    for trial in shown:
        kind, value = kind_of(trial, summary), of.reached(trial, index)
        if value is None and kind == "failed":
            value = low
        if value is not None:
            place = float(trial.number or 0), min(max(value, low), high)
            points.append((*place, kind))
            told.append(trial_point(summary, trial, index, place, kind))
    steps = of.best_so_far(shown, info, index)
    if steps:
        x, y = [at for at, _ in steps], [value for _, value in steps]
        last = max(float(shown[-1].number or 0), x[-1])
        axes.step([*x, last], [*y, y[-1]], where="post", color=QUIET.light, label="best so far")
    scatter(axes, points)
    return sum(not low <= value <= high for value in values)


LOOKS = {
    "best": (TEXT.light, "solid", 1.6, 4),
    "on the front": (TEXT.light, "solid", 1.6, 4),
    "first trial": (SERIES[1].light, (0, (4, 1.5)), 1.1, 3),
    "pruned": (UNSURE.light, "solid", 0.7, 2),
    "failed": (BAD.light, (0, (1, 1.2)), 0.7, 2),
}
OTHERS = (SERIES[0].light, "solid", 0.7, 2)


def draw_intermediate(summary: SearchSummary) -> drawing.Drawing | NotApplicable:
    """Draw the curve of the first seed of every trial that has one."""
    curves = [trial for trial in summary.trials if trial.curve]
    if not curves:
        return NotApplicable("no trial was validated while it trained")
    info = summary.objectives[0]
    figure, (axes,) = drawing.blank(2.4)
    low, high = window([value for trial in curves for _, value in trial.curve])
    taken: set[str] = set()
    for trial in curves:
        kind = kind_of(trial, summary)
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
    axes.set_ylabel(axis_label(info))
    axes.grid(axis="y", color=RULE.light)
    drawing.legend(figure, axes)
    pruned = sum(trial.state == "pruned" for trial in curves)
    caption = sentences(
        f"{title(info)} on validation by step, the first seed of {len(curves)} trials;",
        f"{pruned} were pruned (triangle: where). Without interval: one seed each.",
    )
    return drawing.Drawing(figure, caption)


def draw_front(summary: SearchSummary) -> drawing.Drawing | NotApplicable:
    """Draw the first objective against each other one."""
    others = range(1, len(summary.objectives))
    if not others:
        return NotApplicable("the search has one objective")
    whole = [trial for trial in summary.trials if of.finished(trial) is not None]
    if not whole:
        return NotApplicable("no trial has all its seeds yet")
    figure, panels = drawing.blank(0.5 + 2.1 * len(others), len(others))
    told: list[drawing.Point] = []
    for axes, index in zip(panels, others, strict=True):
        told += _objectives(axes, summary, index)
    drawing.legend(figure, panels[0])
    caption = sentences(
        f"The {len(whole)} trials that ran all their seeds, on validation, means without",
        f"interval; stars: the {len(summary.front)} that no other beats in every objective.",
        "The line joins them." if len(summary.objectives) == 2 else "",
    )
    return drawing.Drawing(figure, caption, told)


def _objectives(axes: Axes, summary: SearchSummary, index: int) -> list[drawing.Point]:
    points: list[tuple[float, float, str]] = []
    told: list[drawing.Point] = []
    for trial in summary.trials:
        x, y = of.finished(trial, index), of.finished(trial)
        if x is not None and y is not None:
            kind = kind_of(trial, summary)
            points.append((x, y, kind))
            told.append(trial_point(summary, trial, index - 1, (x, y), kind))
    if len(summary.objectives) == 2:
        front = sorted((x, y) for x, y, kind in points if kind in WINNERS)
        later = summary.objectives[1].better == "lower"
        drawing.front_line(axes, front, drawstyle="steps-post" if later else "steps-pre")
    scatter(axes, points)
    axes.set_xlabel(axis_label(summary.objectives[index]))
    axes.set_ylabel(axis_label(summary.objectives[0]))
    axes.margins(0.08)
    axes.grid()
    return told


MARKS = {
    "best": ("*", TEXT.light, True),
    "on the front": ("*", TEXT.light, True),
    "first trial": ("D", SERIES[1].light, True),
    "complete": ("o", SERIES[0].light, True),
    "warm start": ("s", SERIES[2].light, True),
    "pruned": ("v", UNSURE.light, False),
    "raced out": (">", UNSURE.light, False),
    "running": (".", UNSURE.light, False),
    "failed": ("x", BAD.light, True),
}
WINNERS = {"best", "on the front"}


def kind_of(trial: TrialRecord, summary: SearchSummary) -> str:
    """Return the key of `MARKS` for a trial."""
    if trial.variant in (summary.front or summary.best):
        return "on the front" if summary.front else "best"
    if trial.raced:
        return "raced out"
    if trial.state in {"pruned", "failed", "running"}:
        return trial.state
    if trial.origin == "enqueued":
        return "first trial"
    return "warm start" if trial.origin == "warm_start" else "complete"


def scatter(axes: Axes, points: list[tuple[float, float, str]]) -> None:
    """Draw (x, y, kind) as one series a kind, labelled for a legend, the best on top."""
    for name, (marker, colour, filled) in reversed(MARKS.items()):
        chosen = [(x, y) for x, y, one in points if one == name]
        if chosen:
            x, y = zip(*chosen, strict=True)
            size, order = (8.0, 4) if name in WINNERS else (3.8, 3)
            options: Any = {"markersize": size, "zorder": order, "label": name, "clip_on": False}
            drawing.mark_points(axes, x, y, marker, colour, filled=filled, **options)


def cut_off(count: int) -> str:
    """Return what a caption says of trials beyond the axis."""
    if not count:
        return ""
    if count == 1:
        return "One trial beyond the axis is drawn at its edge."
    return f"{count} trials beyond the axis are drawn at its edge."


def fraction(parameter: ParameterInfo, value: str | float) -> float:
    """Return where `value` lies in the parameter's range, from 0 to 1; levels in equal steps."""
    if parameter.levels:
        last = max(1, len(parameter.levels) - 1)
        known = value in parameter.levels
        return parameter.levels.index(str(value)) / last if known else math.nan
    if parameter.low is None or parameter.high is None or isinstance(value, str):
        return math.nan
    low, high, at = parameter.low, parameter.high, float(value)
    if parameter.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low) if high > low else 0.5


def window(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: all values up to three quartile ranges outside the quartiles."""
    if len(values) < 4:
        low, high = min(values), max(values)
    else:
        first, _, third = quantiles(values, n=4, method="inclusive")
        reach = 3 * (third - first)
        low, high = max(min(values), first - reach), min(max(values), third + reach)
    pad = 0.06 * (high - low) or max(1e-9, abs(high) * 0.01)
    return low - pad, high + pad


SIDES = (("search", UNSURE.light, "D", -0.14), ("fresh seeds", SERIES[0].light, "o", 0.14))


def draw_confirmation(summary: SearchSummary) -> drawing.Drawing | NotApplicable:
    """Draw two marks a trial: its value in the search, and on seeds the search never saw."""
    shown = summary.confirmed
    if not shown:
        return NotApplicable("nothing has been run again on fresh seeds")
    figure, (axes,) = drawing.blank(0.8 + 0.34 * len(shown))
    told: list[drawing.Point] = []
    for label, colour, marker, shift in SIDES:
        again = label != "search"
        found = [
            (place + shift, each)
            for place, one in enumerate(shown)
            if (each := one.fresh if again else one.search) is not None
        ]
        y, x = [at for at, _ in found], [each.mean for _, each in found]
        drawing.interval_bars(axes, found, colour, name=label)
        drawing.mark_points(axes, x, y, marker, colour, filled=again, markersize=4.6, label=label)
        for at, each in found:
            name = shown[round(at)].trial
            told += confirmation_points(summary, name, at, each, label)
    drawing.name_rows(axes, [numbers.shorten(each.trial, 24) for each in shown])
    axes.set_xlabel(axis_label(summary.objectives[0]))
    drawing.legend(figure, axes)
    fresh = [each.fresh for each in shown if each.fresh is not None]
    covers = next((each.covers for each in fresh if each.covers), "the seeds alone")
    caption = sentences(
        "On validation: what the search believed, and the mean over fresh seeds",
        f"({seeds_range([each.count for each in fresh])}).",
        f"Bar: 95% t interval of the mean, from two seeds on; it covers {covers}.",
        "The best of many noisy values is too good on average: it falls back on fresh seeds.",
    )
    return drawing.Drawing(figure, caption, told)
