"""Draw forest plots: differences from the baseline, effects, changes, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Interval, Verdict, Word
from tempo.comparison.study_changes import Change, Changes
from tempo.report.applicability import NotApplicable
from tempo.report.figures.axes import blank, interval_bars, name_rows
from tempo.report.figures.figure_helpers import Drawing, shown_variants
from tempo.report.figures.style import BAD, GOOD, PAPER, QUIET, RULE, TEXT, UNSURE
from tempo.report.formats import numbers
from tempo.report.formats.phrases import (
    axis_label,
    effect_name,
    interval_kind,
    no_difference,
    seeds_range,
    sentences,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 40
MOST_CHANGES = 60

LOOKS = {
    Word.BETTER: ("^", GOOD.light),
    Word.WORSE: ("v", BAD.light),
    Word.EQUIVALENT: ("s", TEXT.light),
    Word.INCONCLUSIVE: ("o", UNSURE.light),
    Word.INCOMPARABLE: ("x", UNSURE.light),
}
"""The marker and the colour of each verdict."""
LEGEND = "Triangle: better or worse after Holm; square: equivalent; circle: inconclusive."


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One row of a forest plot."""

    label: str
    change: Interval
    verdict: Verdict


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Draw each variant minus the baseline in the primary metric."""
    contrasts = {
        each.variant: each
        for each in comparison.contrasts
        if each.metric == comparison.metric and each.difference is not None
    }
    shown = shown_variants(comparison, contrasts, MOST)
    if not shown.names:
        return NotApplicable("no variant can be paired with the baseline yet")
    rows = [
        ForestRow(shown.labels[name], change, contrasts[name].verdict)
        for name in shown.names
        if (change := contrasts[name].difference) is not None
    ]
    figure, (axes,) = blank(0.75 + 0.22 * len(rows))
    _rows(axes, rows, comparison.delta)
    axes.set_xlabel(axis_label(comparison.info(comparison.metric), "difference in "))
    some = contrasts[shown.names[0]]
    caption = sentences(
        f"Difference from the baseline ({comparison.baseline}), paired by seed and clip:",
        f"{seeds_range(len(contrasts[n].seeds) for n in shown.names)},",
        f"{some.clips} clips from {some.sources} sources.",
        interval_kind(some.difference, "Bar"),
        no_difference(comparison),
        LEGEND,
        shown.omitted,
    )
    return Drawing(figure, caption)


def draw_effects(comparison: Comparison) -> Drawing | NotApplicable:
    """Draw main effects, then two-way interactions, of a factorial design."""
    every = (*comparison.main_effects, *comparison.interactions)
    effects = [e for e in every if e.metric == comparison.metric and e.change is not None]
    if not effects:
        return NotApplicable("the design has no factors whose effects can be estimated")
    shown = effects[:MOST]
    labels = numbers.labels([effect_name(effect) for effect in shown], 34)
    rows = [
        ForestRow(labels[effect_name(effect)], effect.change, effect.verdict)
        for effect in shown
        if effect.change is not None
    ]
    figure, (axes,) = blank(0.75 + 0.24 * len(rows))
    _rows(axes, rows, comparison.delta)
    mains = sum(len(effect.factors) == 1 for effect in shown)
    if 0 < mains < len(shown):
        axes.axhline(mains - 0.5, color=QUIET.light, linewidth=0.4, linestyle=(0, (2, 2)))
    axes.set_xlabel(axis_label(comparison.info(comparison.metric), "change in "))
    caption = sentences(
        "Main effects, averaged over the other factors, and below the line two-way interactions",
        "(by how much one factor changes the other's effect).",
        interval_kind(rows[0].change, "Bar"),
        no_difference(comparison),
        f"{MOST} of {len(effects)} effects are shown." if len(effects) > MOST else "",
    )
    return Drawing(figure, caption)


def largest_changes(changes: Changes) -> list[Change]:
    """Return the changes with a difference; above the limit, the largest, in the study's order."""
    found = [each for each in changes.changes if each.difference is not None]
    largest = sorted(found, key=lambda each: -abs(each.difference.value if each.difference else 0))
    kept = {each.variant for each in largest[:MOST_CHANGES]}
    return [each for each in found if each.variant in kept]


def draw_changes(changes: Changes) -> Drawing | NotApplicable:
    """Draw after minus before, one row a variant that both studies have."""
    chosen = largest_changes(changes)
    if not chosen:
        return NotApplicable("no variant has finished runs in both studies")
    labels = numbers.labels([each.variant for each in chosen], 26)
    rows = [
        ForestRow(labels[each.variant], change, each.verdict)
        for each in chosen
        if (change := each.difference) is not None
    ]
    figure, (axes,) = blank(0.75 + 0.22 * len(rows))
    _rows(axes, rows, None)
    axes.set_xlabel(axis_label(changes.info, "change in "))
    total = sum(each.difference is not None for each in changes.changes)
    caption = sentences(
        f"{changes.after} minus {changes.before}, paired by the seeds and clips that both have:",
        f"n = {len(rows)} variants.",
        interval_kind(rows[0].change, "Bar"),
        LEGEND,
        f"The largest {MOST_CHANGES} of {total}." if total > len(rows) else "",
    )
    return Drawing(figure, caption)


def _rows(axes: Axes, rows: Sequence[ForestRow], delta: float | None) -> None:
    """Draw `rows` top to bottom about zero, with the band of no difference."""
    if delta is not None:
        axes.axvspan(-delta, delta, color=RULE.light, alpha=0.45, linewidth=0)
    axes.axvline(0, color=QUIET.light, linewidth=0.7)
    for place, row in enumerate(rows):
        marker, colour = LOOKS[row.verdict.word]
        interval_bars(axes, [(place, row.change)], colour)
        hollow = row.verdict.word is Word.INCONCLUSIVE
        axes.plot(
            [row.change.value],
            [place],
            marker,
            color=colour,
            markerfacecolor=PAPER.light if hollow else colour,
            markersize=4.6,
            zorder=3,
        )
    name_rows(axes, [row.label for row in rows])
