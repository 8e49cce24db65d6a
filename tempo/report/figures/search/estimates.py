"""Draw estimates with intervals: confirmed trials on fresh seeds, importance of parameters."""

from __future__ import annotations

from tempo.records.search_record import Importance, SearchSummary
from tempo.report import search_trials as of
from tempo.report.applicability import NotApplicable
from tempo.report.figures.axes import blank, interval_bars, legend, name_rows
from tempo.report.figures.figure_helpers import Drawing
from tempo.report.figures.style import PAPER, SERIES, UNSURE
from tempo.report.formats import numbers
from tempo.report.formats.phrases import METHODS, seeds_range, sentences, title_of

MARKS = (("search", UNSURE.light, "D", -0.14), ("fresh seeds", SERIES[0].light, "o", 0.14))


def draw_confirmation(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw two marks a trial: its value in the search, and on seeds the search never saw."""
    shown = summary.confirmed
    if not shown:
        return NotApplicable("nothing has been run again on fresh seeds")
    figure, (axes,) = blank(0.8 + 0.34 * len(shown))
    for label, colour, marker, shift in MARKS:
        fresh = label != "search"
        found = [
            (place + shift, each)
            for place, one in enumerate(shown)
            if (each := one.fresh if fresh else one.search) is not None
        ]
        y, x = [at for at, _ in found], [each.mean for _, each in found]
        interval_bars(axes, found, colour)
        face = colour if fresh else PAPER.light
        axes.plot(x, y, marker, color=colour, markerfacecolor=face, markersize=4.6, label=label)
    name_rows(axes, [numbers.shorten(each.trial, 24) for each in shown])
    axes.set_xlabel(of.axis(summary.objectives[0]))
    legend(figure, axes)
    counts = [each.fresh.count for each in shown if each.fresh is not None]
    caption = sentences(
        "On validation: what the search believed, and the mean over fresh seeds",
        f"({seeds_range(counts)}).",
        "Bar: 95% t interval of the mean, where there are two seeds or more.",
        "The best of many noisy values is too good on average: it falls back on fresh seeds.",
    )
    return Drawing(figure, caption)


LOOKS = {"fanova": ("o", SERIES[0].light, -0.13), "ped_anova": ("s", SERIES[1].light, 0.13)}


def draw_importance(summary: SearchSummary) -> Drawing | NotApplicable:
    """Draw one panel an objective, one line a parameter, one mark a method."""
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
        for method, (marker, colour, shift) in LOOKS.items():
            here = [(i, share.get((objective, method, name))) for i, name in enumerate(order)]
            there = [(i + shift, each) for i, each in here if each is not None]
            x, y = [each.share for _, each in there], [at for at, _ in there]
            interval_bars(axes, there, colour)
            if there:
                axes.plot(x, y, marker, color=colour, markersize=4.4, label=METHODS[method])
        name_rows(axes, [numbers.shorten(name, 24) for name in order])
        axes.spines["left"].set_visible(True)
        axes.set_xlim(left=0)
        axes.set_xlabel(f"share of the variance of {title_of(objective)}")
    legend(figure, panels[0])
    caption = sentences(
        "How much of the variance over the trials each parameter explains.",
        "Bar: 95% bootstrap interval over the trials.",
        "PED-ANOVA asks what tells the best trials apart, fANOVA what moves all of them.",
    )
    return Drawing(figure, caption)
