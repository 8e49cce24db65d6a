"""Say in one sentence with numbers what a comparison found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tempo.cli.render.fitted_table import short_names
from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Contrast, Word
from tempo.report.formats import numbers
from tempo.report.formats.phrases import title

MOST_NUMBERS = 3
"""Variants of one verdict whose differences are said; of more only the names are."""

MOST_NAMES = 6

LONGEST = 32
"""Characters of a name in a sentence."""

ALONE = "Nothing to compare: "
"""How the headline begins where there is no contrast."""


def lead(comparison: Comparison) -> Iterator[str]:
    """Yield what is to be read first: what is missing or was not learned, then the answer."""
    before, _ = _parts(comparison)
    yield from before
    yield from answer(comparison)


def remaining(comparison: Comparison) -> Sequence[str]:
    """Return the sentences of the headline that `lead` does not say."""
    return _parts(comparison)[1]


def answer(comparison: Comparison) -> Iterator[str]:
    """Yield the verdicts on the trained variants with their differences, a sentence a metric."""
    trained = {row.variant for row in comparison.trained}
    mine = [each for each in comparison.contrasts if each.variant in trained]
    own = comparison.rule.metrics if comparison.look is not None else ()
    metrics = dict.fromkeys((comparison.metric, *(own if comparison.metric in own else ())))
    for metric in metrics:
        if found := [each for each in mine if each.metric == metric]:
            yield _sentence(comparison, metric, found)


def _sentence(comparison: Comparison, metric: str, contrasts: Sequence[Contrast]) -> str:
    parts = []
    for word in Word:
        chosen = [each for each in contrasts if each.verdict.word == word]
        if chosen:
            parts.append(f"{word.value}: {_named(comparison, metric, chosen)}")
    info = comparison.info(metric)
    baseline = comparison.baseline or comparison.rows[0].variant
    mean = comparison.row(baseline).estimates.get(metric)
    of = f" ({numbers.fixed(mean.mean, info.digits)} {info.unit}".rstrip() + ")" if mean else ""
    return f"Against {_short(comparison)[baseline]}{of} in {title(info)}: {'; '.join(parts)}."


def _named(comparison: Comparison, metric: str, chosen: Sequence[Contrast]) -> str:
    short = _short(comparison)
    names = [short[each.variant] for each in chosen]
    if len(chosen) > MOST_NUMBERS:
        more = len(names) - MOST_NAMES
        tail = f" and {more} more" if more > 0 else ""
        return f"{', '.join(names[:MOST_NAMES])}{tail}"
    info = comparison.info(metric)
    said = []
    for name, each in zip(names, chosen, strict=True):
        change = each.difference
        unit = f" {info.unit}" if info.unit else ""
        number = f"by {numbers.signed(change.value, info.digits)}{unit}" if change else ""
        said.append(f"{name} {number} {_bounds(each, info.digits)}".strip())
    return ", ".join(said)


def _short(comparison: Comparison) -> dict[str, str]:
    return short_names([row.variant for row in comparison.rows], LONGEST)


def _bounds(contrast: Contrast, digits: int) -> str:
    change = contrast.difference
    return numbers.bounds(change.low, change.high, digits) if change else ""


def _parts(comparison: Comparison) -> tuple[Sequence[str], Sequence[str]]:
    """Return the sentences of the headline before and after the verdicts in words."""
    said = comparison.headline
    verdicts = [
        place
        for place, each in enumerate(said)
        if each.startswith((f"Against {comparison.baseline} in ", ALONE))
    ]
    if not verdicts:
        return (), said
    end = verdicts[-1] + 1
    kept = [each for each in said[verdicts[0] : end] if each.startswith(ALONE)]
    return (*said[: verdicts[0]], *kept), said[end:]
