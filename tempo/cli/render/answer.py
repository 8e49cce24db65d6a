"""Yield what a terminal says first of a comparison, and what it says after its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tempo.comparison.comparison import Comparison
from tempo.comparison.sections.sentence_openings import ALONE, against
from tempo.report.formats.answer_sentence import answer_sentence


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
        if any(each.metric == metric for each in mine):
            yield answer_sentence(comparison, metric)


def _parts(comparison: Comparison) -> tuple[Sequence[str], Sequence[str]]:
    """Return the sentences of the headline before and after the verdicts in words."""
    said = comparison.headline
    verdicts = [
        place
        for place, each in enumerate(said)
        if each.startswith((against(comparison.baseline), ALONE))
    ]
    if not verdicts:
        return (), said
    end = verdicts[-1] + 1
    kept = [each for each in said[verdicts[0] : end] if each.startswith(ALONE)]
    return (*said[: verdicts[0]], *kept), said[end:]
