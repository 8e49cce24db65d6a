"""After minus before, variant by variant: a forest plot."""

from __future__ import annotations

from tempo.compare.study_changes import Change, Changes
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank
from tempo.report.figures.forest import Line, rows
from tempo.report.formats import numbers
from tempo.report.formats.phrases import axis_label, interval_kind, sentences

LIMIT = 60


def shown(changes: Changes) -> list[Change]:
    """The changes with a difference; above `LIMIT`, the largest ones, in the study's order."""
    found = [each for each in changes.changes if each.difference is not None]
    largest = sorted(found, key=lambda each: -abs(each.difference.value if each.difference else 0))
    kept = {each.variant for each in largest[:LIMIT]}
    return [each for each in found if each.variant in kept]


def draw(changes: Changes) -> Drawing | NotApplicable:
    """One line a variant that both studies have."""
    chosen = shown(changes)
    if not chosen:
        return NotApplicable("no variant has finished runs in both studies")
    labels = numbers.labels([each.variant for each in chosen], 26)
    lines = [
        Line(labels[each.variant], change, each.verdict)
        for each in chosen
        if (change := each.difference) is not None
    ]
    figure, (axes,) = blank(0.75 + 0.22 * len(lines))
    rows(axes, lines, None)
    axes.set_xlabel(axis_label(changes.info, "change in "))
    total = sum(each.difference is not None for each in changes.changes)
    caption = sentences(
        f"{changes.after} minus {changes.before}, paired by the seeds and clips that both have:",
        f"n = {len(lines)} variants.",
        interval_kind(lines[0].change, "Bar"),
        "Triangle: better or worse after Holm; square: equivalent; circle: inconclusive.",
        f"The largest {LIMIT} of {total}." if total > len(lines) else "",
    )
    return Drawing(figure, caption)
