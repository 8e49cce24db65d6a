"""Sort the sentences of a comparison's headline by where they stand on the page, each once."""

from __future__ import annotations

from dataclasses import dataclass

from tempo.comparison.comparison import Comparison
from tempo.comparison.sections.sentence_openings import (
    AGAINST,
    ALONE,
    EXPLORATORY,
    INCOMPLETE,
    NOT_ALIKE,
    PROTOCOLS,
    RANK_TESTS,
    against,
)
from tempo.records.rule_sentences import rule_history
from tempo.report.pages.summary import Remark

VERDICTS = (AGAINST, ALONE)


@dataclass(frozen=True, slots=True)
class Headline:
    """The sentences by place: before the verdict, in a banner, as notes, in the folded section.

    The sentence with the verdicts in the primary metric is in none of them: the page answers with
    numbers in its place.
    """

    lead: tuple[str, ...]
    incomplete: tuple[str, ...]
    protocols: tuple[str, ...]
    notes: tuple[Remark, ...]
    precision: tuple[str, ...]


def sort_headline(comparison: Comparison) -> Headline:
    """Return where each sentence of the headline stands on the page of a study."""
    carried = _carried(comparison)
    # Said with numbers, or by a banner.
    elsewhere = (
        against(comparison.baseline, comparison.info(comparison.metric).title),
        EXPLORATORY,
        ALONE,
    )
    lead: list[str] = []
    incomplete: list[str] = []
    protocols: list[str] = []
    notes: list[Remark] = []
    seen_verdict = False
    for sentence in comparison.headline:
        is_verdict = sentence.startswith(VERDICTS)
        if sentence.startswith(elsewhere):
            seen_verdict = seen_verdict or is_verdict
            continue
        if sentence.startswith(INCOMPLETE):
            incomplete.append(sentence)
        elif PROTOCOLS in sentence[:20]:
            protocols.append(sentence)
        elif sentence.startswith(RANK_TESTS):
            carried = (*carried, sentence)
        elif sentence not in carried:
            if not seen_verdict and not is_verdict and _opens(sentence, comparison):
                lead.append(sentence)
            else:
                link = "#fairness" if sentence.startswith(NOT_ALIKE) else ""
                notes.append(Remark(sentence, link))
        seen_verdict = seen_verdict or is_verdict
    return Headline(
        tuple(lead),
        tuple(incomplete),
        tuple(protocols),
        tuple(notes),
        tuple(dict.fromkeys(carried)),
    )


def _opens(sentence: str, comparison: Comparison) -> bool:
    """Return whether a sentence stands before the verdict because verdicts follow it."""
    after = comparison.headline[comparison.headline.index(sentence) + 1 :]
    return any(each.startswith(VERDICTS) for each in after)


def _carried(comparison: Comparison) -> tuple[str, ...]:
    """Return what the numbers can carry: the rule, the noise of seeds, what could be detected."""
    metric = comparison.metric
    return (
        *rule_history(comparison.rule, comparison.rules),
        *(each.sentence for each in comparison.noise if each.metric == metric),
        *(each.sentence for each in comparison.power if each.metric == metric),
    )
