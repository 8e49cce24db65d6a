"""Main effects and two-way interactions of a factorial design."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.compare.statistics.quantities import Effect
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank
from tempo.report.figures.forest import Line, no_difference, rows
from tempo.report.figures.style import QUIET
from tempo.report.formats import numbers
from tempo.report.formats.phrases import axis_label, interval_kind, sentences

LIMIT = 40


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Effects in the primary metric, main effects first."""
    every = (*comparison.main_effects, *comparison.interactions)
    effects = [e for e in every if e.metric == comparison.metric and e.change is not None]
    if not effects:
        return NotApplicable("the design has no factors whose effects can be estimated")
    shown = effects[:LIMIT]
    names = numbers.labels([name(effect) for effect in shown], 34)
    lines = [
        Line(names[name(effect)], effect.change, effect.verdict)
        for effect in shown
        if effect.change is not None
    ]
    figure, (axes,) = blank(0.75 + 0.24 * len(lines))
    rows(axes, lines, comparison.delta)
    mains = sum(len(effect.factors) == 1 for effect in shown)
    if 0 < mains < len(shown):
        axes.axhline(mains - 0.5, color=QUIET.light, linewidth=0.4, linestyle=(0, (2, 2)))
    axes.set_xlabel(axis_label(comparison.info(comparison.metric), "change in "))
    first = lines[0].change
    caption = sentences(
        "Main effects, averaged over the other factors, and below the line two-way interactions",
        "(by how much one factor changes the other's effect).",
        interval_kind(first, "Bar"),
        no_difference(comparison),
        f"{LIMIT} of {len(effects)} effects are shown." if len(effects) > LIMIT else "",
    )
    return Drawing(figure, caption)


def name(effect: Effect) -> str:
    """`se: on vs off`, or `se × dilation` for an interaction."""
    if len(effect.factors) == 1:
        level, reference = effect.terms
        return f"{effect.factors[0]}: {level} vs {reference}"
    return " × ".join(effect.factors)
