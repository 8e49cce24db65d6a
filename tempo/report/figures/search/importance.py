"""Draw each parameter's share of the variance over the trials, by two methods."""

from __future__ import annotations

from tempo.records.search_record import Importance, SearchSummary
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank, interval_bars, legend, name_rows
from tempo.report.figures.style import SERIES
from tempo.report.formats import numbers
from tempo.report.formats.phrases import METHODS, sentences, title_of

LOOKS = {"fanova": ("o", SERIES[0].light, -0.13), "ped_anova": ("s", SERIES[1].light, 0.13)}


def draw(summary: SearchSummary) -> Drawing | NotApplicable:
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
