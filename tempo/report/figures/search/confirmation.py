"""What the search believed against what fresh seeds say."""

from __future__ import annotations

from tempo.records.search_record import SearchSummary
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank, legend, whisker
from tempo.report.figures.style import PAPER, SERIES, UNSURE
from tempo.report.formats import numbers
from tempo.report.formats.phrases import seeds_range, sentences
from tempo.report.pages import search_trials as of

ROWS = (("search", UNSURE.light, "D", -0.14), ("fresh seeds", SERIES[0].light, "o", 0.14))


def draw(summary: SearchSummary) -> Drawing | NotApplicable:
    """Two marks a trial: its value in the search, and on seeds the search never saw."""
    shown = summary.confirmed
    if not shown:
        return NotApplicable("nothing has been run again on fresh seeds")
    figure, (axes,) = blank(0.8 + 0.34 * len(shown))
    for label, colour, marker, shift in ROWS:
        fresh = label != "search"
        found = [
            (place + shift, each)
            for place, one in enumerate(shown)
            if (each := one.fresh if fresh else one.search) is not None
        ]
        y, x = [at for at, _ in found], [each.mean for _, each in found]
        ends = ([each.low for _, each in found], [each.high for _, each in found])
        whisker(axes, x, y, *ends, vertical=False, colour=colour)
        face = colour if fresh else PAPER.light
        axes.plot(x, y, marker, color=colour, markerfacecolor=face, markersize=4.6, label=label)
    axes.set_yticks(range(len(shown)), [numbers.shorten(each.trial, 24) for each in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(of.axis(summary.objectives[0]))
    axes.grid(axis="x")
    legend(figure, axes)
    counts = [each.fresh.count for each in shown if each.fresh is not None]
    caption = sentences(
        "On validation: what the search believed, and the mean over fresh seeds",
        f"({seeds_range(counts)}).",
        "Bar: 95% t interval of the mean, where there are two seeds or more.",
        "The best of many noisy values is too good on average: it falls back on fresh seeds.",
    )
    return Drawing(figure, caption)
