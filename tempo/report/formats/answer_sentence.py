"""Say in one sentence with numbers what a comparison found, for pages and terminals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.statistics.quantities import Contrast, Word
from tempo.core.counted import counted
from tempo.core.records import MetricInfo
from tempo.report.formats import numbers
from tempo.report.formats.phrases import seeds_range, title

MOST_NAMED = 3
LONGEST = 44
"""Characters of a name in the sentence; the middle of a longer one is left out."""


def answer_sentence(comparison: Comparison, metric: str | None = None) -> str:
    """Return what a study found in a metric (the ranking one), in one sentence with numbers."""
    metric = metric or comparison.metric
    info, base = comparison.info(metric), comparison.baseline
    trained = {row.variant for row in comparison.trained}
    found = [
        each for each in comparison.contrasts if each.metric == metric and each.variant in trained
    ]
    finished = [row for row in comparison.trained if metric in row.estimates]
    if not finished:
        return "No run has finished yet."
    if base is None or not found:
        return _alone(comparison, finished, metric)
    own = comparison.row(base).estimates.get(metric)
    level = f" ({numbers.amount(own.mean, info)})" if own else ""
    said = "; ".join(_clauses(found, info))
    where = f"{title(info)} on the {comparison.split} clips"
    return f"Against {_short(base)}{level} in {where}: {said}."


def _alone(comparison: Comparison, finished: Sequence[Row], metric: str) -> str:
    """Return the value of the best finished variant, where nothing can be compared."""
    info = comparison.info(metric)
    best = min(finished, key=lambda row: float("inf") if row.rank is None else row.rank)
    estimate = best.estimates[metric]
    value = f"{numbers.spread(estimate, info.digits)} {info.unit}".rstrip()
    where = f"{title(info)} on the {comparison.split} clips"
    said = f"{_short(best.variant)} reaches {value} {where} ({seeds_range([estimate.n])})"
    return f"{said}; no other trained variant can be compared with it."


def _clauses(found: Sequence[Contrast], info: MetricInfo) -> Iterator[str]:
    """Yield what was found in the order of the verdicts: decided ones by their size first."""
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
