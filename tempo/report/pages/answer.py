"""Answer a study in the table beside its forest that opens its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.statistics.quantities import Contrast, Interval
from tempo.report.figures.forest import ForestRow, difference_range, seed_differences
from tempo.report.formats import numbers
from tempo.report.formats.cells import Links, change_cell, estimate_cell, kind_of, verdict_cell
from tempo.report.formats.phrases import no_difference, percent, sentences, title
from tempo.report.formats.table import Cell
from tempo.report.pages.strips import Strip, Ticks, strip, ticks

MOST_ROWS = 12
"""Trained variants in the first table: the baseline and the best ranked."""


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A row of the first table: its cells, and its piece of the forest.

    `beside`: in small type beside the verdict, that the rule does not ask for the contrast.
    """

    name: Cell
    verdict: Cell
    change: Cell
    strip: Strip
    others: tuple[Cell, ...]
    tone: str = ""
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The first table: `change` and `others` head its columns.

    `rest` says what is left out, and `more` is the section that has it.
    """

    caption: str
    change: str
    others: tuple[str, ...]
    rows: tuple[AnswerRow, ...]
    ticks: Ticks
    rest: str = ""
    more: str = "#results"


def answer_table(comparison: Comparison) -> Answer | None:
    """Return the table that opens the page of a study; None before anything has finished."""
    metric, links = comparison.metric, Links.of(comparison)
    known = [row for row in comparison.rows if metric in row.estimates]
    if not known:
        return None
    info = comparison.info(metric)
    shown = _shown(comparison)
    forest = [
        _forest_row(row, comparison)
        for row in shown
        if row.role != "reference" and metric in row.contrasts
    ]
    ends = _with_room(difference_range(forest, comparison.delta), shown, metric)
    some = next((each.change for each in forest if each.change is not None), None)
    unit = f" ({info.unit})" if info.unit else ""
    trained, total = sum(row.role != "reference" for row in shown), len(comparison.trained)
    left = total - trained
    return Answer(
        caption=_caption(comparison, some),
        change=f"Δ {title(info)}{unit}",
        others=(f"{title(info)}, {comparison.split}{unit}", "seeds"),
        rows=tuple(_row(row, comparison, links, ends) for row in shown),
        ticks=ticks(ends, comparison.delta),
        rest=f"{left} more of the {total} variants are in the table of all results."
        if left
        else "",
    )


EDGE = 0.16
"""Share of the axis that is added on a side where a reference beyond it has its number."""


def _with_room(ends: tuple[float, float], shown: Sequence[Row], metric: str) -> tuple[float, float]:
    """Return the ends with room for the numbers of what lies beyond them."""
    low, high = ends
    changes = [row.contrasts[metric].difference for row in shown if metric in row.contrasts]
    values = [change.value for change in changes if change is not None]
    room = EDGE * (high - low)
    return (
        low - room if any(value < low for value in values) else low,
        high + room if any(value > high for value in values) else high,
    )


def _shown(comparison: Comparison) -> list[Row]:
    """Return all rows in their order; above the limit the baseline and the best, by their rank."""

    def place(row: Row) -> tuple[bool, float]:
        return row.role != "baseline", float("inf") if row.rank is None else row.rank

    references = [row for row in comparison.references if comparison.metric in row.estimates]
    if len(comparison.trained) <= MOST_ROWS:
        return [*comparison.trained, *references]
    return [*sorted(comparison.trained, key=place)[:MOST_ROWS], *references]


def _forest_row(row: Row, comparison: Comparison) -> ForestRow:
    contrast = row.contrasts[comparison.metric]
    return ForestRow(row.variant, contrast.difference, contrast.verdict, len(contrast.seeds))


def _row(row: Row, comparison: Comparison, links: Links, ends: tuple[float, float]) -> AnswerRow:
    info, link = comparison.info(comparison.metric), links.to(row.variant)
    contrast = row.contrasts.get(comparison.metric)
    verdict = Cell("baseline", tone="quiet") if row.role == "baseline" else _state(row)
    change, piece, beside = Cell(numbers.MISSING, tone="quiet"), Strip(), ""
    if contrast is not None:
        verdict = verdict_cell(contrast.verdict, link, brief=True)
        beside = kind_of(contrast)
        change = change_cell(contrast.difference, info.digits, link, contrast.verdict.reason)
        piece = strip(
            contrast.difference,
            contrast.verdict.word,
            ends,
            info.digits,
            "\n".join(_told(row.variant, contrast, info.digits)),
        )
    seeds = Cell(numbers.MISSING, tone="quiet")
    if row.role != "reference":
        tone = "worse" if row.seeds < row.planned_seeds else ""
        seeds = Cell(f"{row.seeds}/{row.planned_seeds}", row.seeds, tone=tone, hint=row.note)
    estimate = estimate_cell(row.estimates.get(comparison.metric), info.digits, link)
    tone = row.role if row.state == "complete" else row.state
    name = Cell(row.variant, row.variant, link)
    return AnswerRow(name, verdict, change, piece, (estimate, seeds), tone, beside)


def _state(row: Row) -> Cell:
    return Cell("" if row.state == "complete" else row.state, tone="quiet")


def _told(name: str, contrast: Contrast, digits: int) -> Iterator[str]:
    yield f"{name}: {numbers.change(contrast.difference, digits)}, {contrast.verdict.word.value}"
    yield from seed_differences(contrast, digits)


def _caption(comparison: Comparison, some: Interval | None) -> str:
    split = "validation" if comparison.split == "val" else comparison.split
    bounded = some is not None and some.low is not None
    return sentences(
        f"All numbers are of the {split} clips.",
        f"Δ: difference from {comparison.baseline}, paired by seed and clip"
        + (f", with its {percent(comparison.level)} interval" if bounded else "")
        + "."
        if comparison.baseline
        else "",
        no_difference(comparison),
    )
