"""Draw what the search believed of each confirmed trial against what fresh seeds say."""

from __future__ import annotations

from tempo.records.search_record import SearchSummary
from tempo.report import search_trials as of
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank, interval_bars, legend, name_rows
from tempo.report.figures.style import PAPER, SERIES, UNSURE
from tempo.report.formats import numbers
from tempo.report.formats.phrases import seeds_range, sentences

MARKS = (("search", UNSURE.light, "D", -0.14), ("fresh seeds", SERIES[0].light, "o", 0.14))


def draw(summary: SearchSummary) -> Drawing | NotApplicable:
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
