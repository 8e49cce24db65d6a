"""Write what the further test sets of a study say together, and what is missing on each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tempo.comparison.comparison import Comparison, SetComparison
from tempo.comparison.sections.sentence_openings import PARTLY_DECIDED, SETS_DISAGREE
from tempo.comparison.set_families import FittedSet
from tempo.comparison.statistics.quantities import Word
from tempo.comparison.statistics.source_shape import few_sources
from tempo.core.counted import counted, listed_up_to
from tempo.core.records import RunStatus
from tempo.core.verdict_rule import share
from tempo.spec.verdict import listed

MOST_NAMED = 6
OWN_SPLIT = "the study's own test clips"
DECIDED = (Word.BETTER, Word.WORSE, Word.EQUIVALENT)


def set_sentences(fitted: FittedSet) -> tuple[str, ...]:
    """Return what is missing on one set, and that its clips come from few sources."""
    return (*_missing(fitted), *_few_sources(fitted))


def _missing(fitted: FittedSet) -> Iterator[str]:
    runs = fitted.sample.runs
    left = [run for run in runs if not run.values]
    if not left:
        return
    title, done = fitted.planned.title, len(runs) - len(left)
    if not done:
        said = f"{title}: none of {counted(len(runs), 'evaluation')} has finished"
    else:
        said = f"{title}: {done} of {counted(len(runs), 'evaluation')} have finished"
    failed = [run.planned.title for run in left if run.status is RunStatus.FAILED]
    if failed:
        said += f"; failed: {listed_up_to(MOST_NAMED, failed)}"
    yield f"{said}; what is missing is left out, and the words here may change."


def _few_sources(fitted: FittedSet) -> Iterator[str]:
    model = fitted.study.model if fitted.study else None
    said = few_sources(model.matrix) if model else None
    if said:
        yield f"{fitted.planned.title}: {said[0].lower()}{said[1:]}"


def sets_together(own: Comparison, sets: Sequence[SetComparison]) -> tuple[str, ...]:
    """Return what is missing, the family, whether methods have seeds, and where sets disagree."""
    return (
        *(sentence for each in sets for sentence in each.sentences),
        *family_sentences(own, sets),
        *disagreements(own, sets),
    )


def family_sentences(own: Comparison, sets: Sequence[SetComparison]) -> tuple[str, ...]:
    """Return over what the error rate of the sets holds, and that methods have no seeds."""
    return (*_family(own, sets), *_methods(sets))


def _family(own: Comparison, sets: Sequence[SetComparison]) -> Iterator[str]:
    """Say over how many contrasts on how many sets one error rate holds."""
    trained = {row.variant for row in own.trained}
    judged = [each.found for each in sets if each.found is not None]
    titles = {info.name: info.title for found in judged for info in found.metrics}
    families: dict[str, list[str]] = {}
    for each in (contrast for found in judged for contrast in found.contrasts):
        if each.variant in trained and each.p_adjusted is not None:
            families.setdefault(each.family, []).append(titles[each.metric])
    if not families:
        return
    over = [
        f"{counted(len(members), 'contrast')} in {listed(list(dict.fromkeys(members)))}"
        for members in families.values()
    ]
    yield (
        f"Test sets: one error rate of {share(round(1 - own.level, 12))} over all "
        f"{', and again over all '.join(over)}, of trained variants on "
        f"{counted(len(judged), 'set')} (Holm); the study's own test clips, and references with "
        "methods of others, are families of their own."
    )


def _methods(sets: Sequence[SetComparison]) -> Iterator[str]:
    """Say that methods of others have no seeds, and so what their verdicts are of."""
    names = list(dict.fromkeys(name for each in sets for name in each.methods))
    if not names:
        return
    have = "has" if len(names) == 1 else "have"
    yield (
        f"{listed(names[:MOST_NAMED])}{_more(names)} {have} no seeds: the verdict is on the one "
        "model that was given, over the draw of the baseline's seeds and of the clips, and says "
        "nothing of how its training varies."
    )


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""


def disagreements(own: Comparison, sets: Sequence[SetComparison]) -> tuple[str, ...]:
    """Return where sets disagree on a row: contrary words, then words on some sets alone."""
    contrary, partly = [], []
    for row in own.rows:
        words = _words(own, sets, row.variant)
        opposed = Word.BETTER in words and Word.WORSE in words
        if opposed:
            contrary.append(f"{SETS_DISAGREE}{_told(row.variant, own.baseline, words)}.")
        elif row.role != "reference" and Word.INCONCLUSIVE in words and len(words) > 1:
            partly.append(f"{PARTLY_DECIDED}{_told(row.variant, own.baseline, words)}.")
    left = len(partly) - MOST_NAMED
    more = [f"{counted(left, 'more variant')} are decided on some sets alone."] if left > 0 else []
    return (*contrary, *partly[:MOST_NAMED], *more)


def _words(own: Comparison, sets: Sequence[SetComparison], variant: str) -> dict[Word, list[str]]:
    """Return on which sets each word was found of a row, in each one's primary metric."""
    placed = [(OWN_SPLIT, own), *((each.title, each.found) for each in sets)]
    words: dict[Word, list[str]] = {}
    for title, found in placed:
        row = {each.variant: each for each in found.rows}.get(variant) if found else None
        contrast = row.contrasts.get(found.metric) if row and found else None
        if contrast is not None and contrast.verdict.word is not Word.INCOMPARABLE:
            if contrast.difference is None:
                continue
            words.setdefault(contrast.verdict.word, []).append(title)
    return words


def _told(variant: str, baseline: str | None, words: Mapping[Word, list[str]]) -> str:
    """Return `V3: better than V2 on A and B, worse on C, inconclusive on D`."""
    order = [word for word in (*DECIDED, Word.INCONCLUSIVE) if word in words]
    parts = [f"{word.value} on {listed(words[word])}" for word in order]
    return f"{variant} against {baseline} is {'; '.join(parts)}"
