"""Write the sentences of a comparison to read first."""

from __future__ import annotations

from collections.abc import Sequence

from tempo.comparison.comparison import Difference, Protocol, Row
from tempo.comparison.contrasts import Judged
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.registered_rule import RuleCheck
from tempo.comparison.sections import sentence_openings as begin
from tempo.comparison.sections.learning_notes import chance_of_checkpoints, learned_nothing
from tempo.comparison.sections.rule_lines import rule_lines
from tempo.comparison.sections.sample_notes import sample_notes
from tempo.comparison.statistics.quantities import Contrast, Noise, Power, Word
from tempo.core.counted import listed_up_to

MOST_NAMED = 6
WIDE_DELTA = 0.1
"""The share of the distance to 1 from which a similarity's delta is called wide."""


def headline(
    study: FittedStudy,
    table: Sequence[Row],
    check: RuleCheck,
    judged: Judged,
    noise: Sequence[Noise],
    power: Sequence[Power],
    fairness: Sequence[Difference],
    protocols: Sequence[Protocol],
) -> tuple[str, ...]:
    """Return what was not learned, what is missing, what was found and what to be careful with, in
    that order."""
    contrasts = [each for each in judged.contrasts if each.metric == study.metric]
    return (
        *learned_nothing(study),
        *_missing(table),
        *_verdicts(study, check, judged.contrasts),
        *rule_lines(check, judged),
        *(each.sentence for each in noise[:1]),
        *_power(study, power, contrasts),
        *(
            f"{begin.NOT_ALIKE}{each.sentence}"
            for each in fairness
            if each.severity == "unintended"
        ),
        *_protocols(protocols),
        *_wide_deltas(study),
        *chance_of_checkpoints(study),
        *sample_notes(study),
    )


def _missing(table: Sequence[Row]) -> list[str]:
    short = [row for row in table if row.state != "complete" and row.role != "reference"]
    if not short:
        return []
    parts = "; ".join(f"{row.variant} ({row.note})" for row in short[:MOST_NAMED])
    more = f"; and {len(short) - MOST_NAMED} more" if len(short) > MOST_NAMED else ""
    return [f"{begin.INCOMPLETE}{parts}{more}."]


def _verdicts(study: FittedStudy, check: RuleCheck, contrasts: Sequence[Contrast]) -> list[str]:
    """Say what was found, in every metric that decides; in the one asked for otherwise."""
    trained = {each.name for each in study.sample.trained}
    own = check.registered.rule.metrics if check.answers_rule else ()
    metrics = dict.fromkeys((study.metric, *(own if study.metric in own else ())))
    mine = [each for each in contrasts if each.variant in trained]
    if not mine:
        return [f"{begin.ALONE}the study has one trained variant."]
    sentences = []
    for name in metrics:
        of_metric = [each for each in mine if each.metric == name]
        said = []
        for word in Word:
            names = [each.variant for each in of_metric if each.verdict.word == word]
            if names:
                said.append(f"{word.value}: {listed_up_to(MOST_NAMED, names)}")
        opening = begin.against(study.baseline, study.info(name).title)
        sentences.append(f"{opening}{'; '.join(said)}.")
    few = [len(each.seeds) for each in mine if each.difference and each.metric == study.metric]
    if few and max(few) < 3:
        sentences.append(_too_few(max(few)))
    return sentences


def _too_few(seeds: int) -> str:
    """Say once what fewer than three seeds cannot say."""
    plural, interval = ("s", "") if seeds > 1 else ("", ", and no difference has an interval")
    return (
        f"With {seeds} paired seed{plural} nothing can be decided{interval}: every verdict is "
        "inconclusive, whatever the difference; at least 3 seeds are needed."
    )


def _wide_deltas(study: FittedStudy) -> list[str]:
    """Say where equivalent within delta says little, as the similarity is nearly 1 already."""
    said = []
    for info in study.infos:
        mean = study.mean(study.baseline, info.name) if study.baseline else None
        delta = study.settings(info).delta
        if "ssim" not in info.name.lower() or mean is None or delta is None or mean >= 1:
            continue
        share = delta / (1 - mean)
        if share > WIDE_DELTA:
            said.append(
                f"{info.title}: a delta of {delta:g} is {share:.0%} of what {study.baseline} lacks "
                "to 1, so that equivalent says little; `verdict.delta` sets a smaller one."
            )
    return said


def _power(study: FittedStudy, power: Sequence[Power], contrasts: Sequence[Contrast]) -> list[str]:
    seeds = max((len(each.seeds) for each in contrasts if each.seeds), default=0)
    own = [each.sentence for each in power if each.seeds == seeds]
    if seeds == 3:
        own.append(f"{begin.RANK_TESTS} can ever be significant, so none is used.")
    return own


def _protocols(protocols: Sequence[Protocol]) -> list[str]:
    if len(protocols) < 2:
        return []
    others = [name for each in protocols if not each.ranked for name in each.variants]
    return [
        f"{len(protocols)}{begin.PROTOCOLS}{listed_up_to(MOST_NAMED, others)} was judged under "
        "another one than the baseline and is neither ranked nor compared."
    ]
