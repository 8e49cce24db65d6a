"""Answer a study in one sentence with numbers, and in the table beside its forest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.statistics.quantities import Contrast, Interval, Word
from tempo.core.counted import counted
from tempo.core.records import MetricInfo
from tempo.report.figures.forest import ForestRow, difference_range, seed_differences
from tempo.report.formats import numbers
from tempo.report.formats.cells import Links, change_cell, estimate_cell, kind_of, verdict_cell
from tempo.report.formats.phrases import no_difference, percent, seeds_range, sentences, title
from tempo.report.formats.table import Cell
from tempo.report.pages.strips import Strip, Ticks, strip, ticks

MOST_ROWS = 12
"""Trained variants in the first table: the baseline and the best ranked."""

MOST_NAMED = 3
LONGEST = 44
"""Characters of a name in the sentence; the middle of a longer one is left out."""


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
    split = "test" if comparison.split == "test" else "validation"
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


def answer_sentence(comparison: Comparison) -> str:
    """Return what a study found, in one sentence with its numbers."""
    info, base = comparison.info(comparison.metric), comparison.baseline
    trained = {row.variant for row in comparison.trained}
    found = [
        each
        for each in comparison.contrasts
        if each.metric == comparison.metric and each.variant in trained
    ]
    finished = [row for row in comparison.trained if comparison.metric in row.estimates]
    if not finished:
        return "No run has finished yet."
    if base is None or not found:
        return _alone(comparison, finished)
    own = comparison.row(base).estimates.get(comparison.metric)
    unit = f" {info.unit}" if info.unit else ""
    level = f" ({numbers.fixed(own.mean, info.digits)}{unit})" if own else ""
    said = "; ".join(_clauses(found, comparison))
    where = f"{title(info)} on the {comparison.split} clips"
    return f"Against {_short(base)}{level} in {where}: {said}."


def _alone(comparison: Comparison, finished: Sequence[Row]) -> str:
    """Return the value of the best finished variant, where nothing can be compared."""
    info = comparison.info(comparison.metric)
    best = min(finished, key=lambda row: float("inf") if row.rank is None else row.rank)
    estimate = best.estimates[comparison.metric]
    value = f"{numbers.spread(estimate, info.digits)} {info.unit}".rstrip()
    where = f"{title(info)} on the {comparison.split} clips"
    said = f"{_short(best.variant)} reaches {value} {where} ({seeds_range([estimate.n])})"
    return f"{said}; no other trained variant can be compared with it."


def _clauses(found: Sequence[Contrast], comparison: Comparison) -> Iterator[str]:
    """Yield what was found in the order of the verdicts: decided ones by their size first."""
    info = comparison.info(comparison.metric)
    by_word = {word: [each for each in found if each.verdict.word is word] for word in Word}
    for word in (Word.BETTER, Word.WORSE):
        chosen = sorted(by_word[word], key=_size, reverse=True)
        if len(chosen) == 1:
            yield f"{_short(chosen[0].variant)} is {word.value} by {_amount(chosen[0], info)}"
        elif chosen:
            named = [f"{_short(c.variant)} by {_amount(c, info)}" for c in chosen[:MOST_NAMED]]
            more = len(chosen) - len(named)
            named += [f"{counted(more, 'more variant')}"] if more else []
            yield f"{word.value} are {_joined(named)}"
    for word in (Word.EQUIVALENT, Word.INCONCLUSIVE):
        if by_word[word]:
            yield _undirected(by_word[word], word, len(found), info)
    lost = len(by_word[Word.INCOMPARABLE])
    if lost:
        yield f"{counted(lost, 'variant')} cannot be compared"


def _undirected(chosen: Sequence[Contrast], word: Word, total: int, info: MetricInfo) -> str:
    """Return which variants are equivalent or inconclusive, and between which differences."""
    values = [each.difference.value for each in chosen if each.difference is not None]
    if len(chosen) <= 2:
        named = [f"{_short(c.variant)} ({_change(c, info)})" for c in chosen]
        return f"{_joined(named)} {'is' if len(chosen) == 1 else 'are'} {word.value}"
    every = "all " if len(chosen) == total else ""
    ends = ""
    if values:
        low, high = (numbers.signed(end, info.digits) for end in (min(values), max(values)))
        ends = f", between {low} and {high} {info.unit}".rstrip()
    return f"{every}{len(chosen)} variants are {word.value}{ends}"


def _change(contrast: Contrast, info: MetricInfo) -> str:
    """Return `+0.25 dB [-0.16, +0.66]`."""
    change = contrast.difference
    if change is None:
        return numbers.MISSING
    ends = numbers.bounds(change.low, change.high, info.digits)
    return " ".join(filter(None, (numbers.signed(change.value, info.digits), info.unit, ends)))


def _joined(named: Sequence[str]) -> str:
    """Return a list in words; names may hold commas, so that "and" stands between all."""
    return " and ".join(named)


def _amount(contrast: Contrast, info: MetricInfo) -> str:
    """Return the size of a decided difference, with its interval turned the same way."""
    change = contrast.difference
    if change is None:
        return numbers.MISSING
    low, high = change.low, change.high
    if change.value < 0 and low is not None and high is not None:
        low, high = -high, -low
    ends = numbers.bounds(low, high, info.digits, sign=False)
    size = numbers.fixed(abs(change.value), info.digits)
    return " ".join(filter(None, (size, info.unit, ends)))


def _size(contrast: Contrast) -> float:
    return abs(contrast.difference.value) if contrast.difference else 0.0


def _short(name: str) -> str:
    return numbers.shorten(name, LONGEST)
