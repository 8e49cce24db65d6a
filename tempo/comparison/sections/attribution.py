"""Split the gain between two variants over the choices in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.sections.attribution_arms import ArmFinder, Arms
from tempo.comparison.statistics.hypothesis_tests import run_test
from tempo.comparison.statistics.quantities import Attribution, Interval, Rung, TestSettings
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.core.catalog import unknown
from tempo.core.errors import TempoError


def attribution(study: FittedStudy) -> Attribution | None:
    """Return add-in, leave-out and ladder from one variant to another.

    The ends are those asked for, else the baseline and the variant with most arms in between.
    None when no variant lies between any two.

    Raises:
        TempoError: when an end that was asked for is no variant.
    """
    trained = {variant.name: variant for variant in study.sample.trained}
    asked = study.sample.query.attribution
    if asked:
        for name in asked:
            if name not in trained:
                raise TempoError(unknown("variant", name, trained))
        return _attribution(study, ArmFinder(trained, asked[0]).to(asked[1]))
    if study.baseline not in trained or study.baseline is None:
        return None
    finder = ArmFinder(trained, study.baseline)
    found = [finder.to(name) for name in trained if name != study.baseline]
    useful = [arms for arms in found if len(arms.factors) > 1 and _between(arms) >= 2]
    if not useful:
        return None
    best = max(useful, key=lambda arms: (_between(arms), len(arms.factors)))
    return _attribution(study, best)


def _between(arms: Arms) -> int:
    return sum(0 < len(taken) < len(arms.factors) for taken in arms.taken)


NO_ARM = "the study has no such variant"
UNFINISHED = "no finished run of"
"""How the reasons begin for which a term is missing."""


@dataclass(frozen=True)
class Terms:
    """The changes between arms, all over the same seeds, so that they add up.

    `model` holds of the arms only the runs under `seeds`, those that every finished arm has;
    `left_out` are the other seeds, and `short` the arms that lack one of these.
    """

    settings: TestSettings
    model: RandomEffects | None
    finished: frozenset[str]
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    short: tuple[str, ...]

    def change(self, weights: Mapping[str, float], comparisons: int = 1) -> Interval | None:
        """Return a combination of arms, None where one has no run.

        `comparisons`: the interval holds for so many changes together (Bonferroni).
        """
        if self.model is None or not self.seeds or not self.finished.issuperset(weights):
            return None
        combination = self.model.contrast(weights)
        if combination is None:
            return None
        level = 1 - self.settings.alpha / comparisons
        found = run_test(self.model, combination, replace(self.settings, level=level)).interval
        single = level if comparisons > 1 else None
        return replace(found, level=self.settings.level, single_level=single)

    def level(self, variant: str | None) -> float | None:
        """Return the mean of an arm over the seeds and clips of all terms."""
        if self.model is None or not self.seeds or variant is None:
            return None
        if variant not in self.finished:
            return None
        matrix = self.model.matrix
        return float(matrix.means[matrix.rows(variant, self.seeds)].mean())

    def notes(self) -> Iterator[str]:
        """Yield which seeds all terms are over, where that leaves some out."""
        if self.model is None or not self.finished:
            return
        if not self.seeds:
            yield f"No seed is finished in all of {', '.join(sorted(self.finished))}."
            return
        if not self.left_out:
            return
        count, kept = len(self.seeds), ", ".join(map(str, self.seeds))
        yield (
            f"All terms are over the {count} {'seed' if count == 1 else 'seeds'} that every arm "
            f"finished ({kept}); left out: seed {', '.join(map(str, self.left_out))}, without "
            f"a run of {', '.join(self.short)}."
        )


def _terms(study: FittedStudy, arms: Arms) -> Terms:
    model, names = study.model, list(dict.fromkeys(arms.taken.values()))
    if model is None:
        return Terms(study.primary, None, frozenset(), (), (), ())
    matrix = model.matrix
    finished = [name for name in names if name in matrix.variants]
    seeds = matrix.common_seeds(finished)
    every = {seed for name in finished for seed in matrix.seeds_of(name) if seed is not None}
    left_out = tuple(sorted(every.difference(seeds)))
    short = tuple(n for n in finished if not every.issubset(matrix.seeds_of(n)))
    if not seeds:
        return Terms(study.primary, model, frozenset(finished), (), left_out, short)
    kept = RandomEffects(matrix.keeping(seeds, finished), arms.start)
    return Terms(study.primary, kept, frozenset(finished), seeds, left_out, short)


def _attribution(study: FittedStudy, arms: Arms) -> Attribution:
    taken, whole, terms = arms.taken, frozenset(arms.factors), _terms(study, arms)
    made = partial(_rung, study, terms)
    add_in = [made("add_in", f, taken.get(frozenset({f})), arms.start) for f in arms.factors]
    leave_out = [made("leave_out", f, arms.end, taken.get(whole - {f})) for f in arms.factors]
    ladder = _ladder(study, terms, arms)
    return Attribution(
        metric=study.metric,
        start=arms.start,
        end=arms.end,
        changes=arms.changes,
        total=terms.change({arms.end: 1.0, arms.start: -1.0}),
        add_in=tuple(add_in),
        leave_out=tuple(leave_out),
        ladder=ladder,
        residual=_residual(terms, arms, add_in),
        note=" ".join((*_gaps(add_in, leave_out), *terms.notes(), *_selection(ladder))),
    )


def _gaps(add_in: Sequence[Rung], leave_out: Sequence[Rung]) -> Iterator[str]:
    """Yield which arms are missing: the study has none such, or it has not finished."""
    for rungs, what in ((add_in, "adds it alone"), (leave_out, "leaves it out alone")):
        empty = [each for each in rungs if each.change is None]
        absent = "; ".join(each.factor for each in empty if NO_ARM in each.note)
        unfinished = "; ".join(each.factor for each in empty if UNFINISHED in each.note)
        if absent:
            yield f"The study has no variant that {what}: {absent}."
        if unfinished:
            yield f"The variant that {what} has not finished: {unfinished}."


def _rung(
    study: FittedStudy,
    terms: Terms,
    kind: str,
    factor: str,
    variant: str | None,
    against: str | None,
    comparisons: int = 1,
) -> Rung:
    change = None
    if variant and against:
        change = terms.change({variant: 1.0, against: -1.0}, comparisons)
    return Rung(
        kind=kind,
        factor=factor,
        variant=variant,
        against=against,
        change=change,
        level=terms.level(variant),
        note="" if change else _why(study, terms, variant, against),
    )


def _why(study: FittedStudy, terms: Terms, variant: str | None, against: str | None) -> str:
    if variant is None or against is None:
        return NO_ARM
    unfinished = [name for name in (variant, against) if not study.sample.done(name)]
    if unfinished:
        return f"{UNFINISHED} {', '.join(unfinished)}"
    without = [name for name in (variant, against) if name not in terms.finished]
    if without:
        return f"no values that can be paired of {', '.join(without)}"
    return "no seed is finished in every arm"


def _residual(terms: Terms, arms: Arms, add_in: Sequence[Rung]) -> Interval | None:
    """Return total minus the sum of the add-ins: one combination, so that its interval is exact."""
    if any(rung.change is None for rung in add_in):
        return None
    weights = {arms.end: 1.0, arms.start: float(len(add_in) - 1)}
    for name in [rung.variant for rung in add_in if rung.variant]:
        weights[name] = weights.get(name, 0.0) - 1.0
    return terms.change({name: w for name, w in weights.items() if w})


def _ladder(study: FittedStudy, terms: Terms, arms: Arms) -> tuple[Rung, ...]:
    """Return the steps from start to end, each to the nearest arm that gains most.

    What is chosen for its gain owes part of it to chance, and so does the step away from it. So
    each interval holds for all steps that could have stood in its place, whatever was chosen
    before (Bonferroni over them).
    """
    sign = study.primary.sign
    whole = frozenset(arms.factors)
    reached: frozenset[str] = frozenset()
    possible = {reached}
    rungs: list[Rung] = []
    while reached != whole:
        ahead = {step: _ahead(terms, arms, step) for step in possible}
        nearest = ahead[reached]
        if not nearest:
            break
        best = max(nearest, key=lambda taken: sign * (terms.level(arms.taken[taken]) or 0.0))
        factor = " + ".join(name for name in arms.factors if name in best - reached)
        count = sum(map(len, ahead.values()))
        ends = arms.taken[best], arms.taken[reached]
        rung = _rung(study, terms, "ladder", factor, *ends, comparisons=count)
        rungs.append(replace(rung, note=rung.note or _chosen(len(nearest), count)))
        reached, possible = best, {taken for each in ahead.values() for taken in each}
    return tuple(rungs)


def _ahead(terms: Terms, arms: Arms, reached: frozenset[str]) -> list[frozenset[str]]:
    """Return the nearest finished arms that take all that `reached` takes, and more."""
    ahead = [
        taken for taken, name in arms.taken.items() if reached < taken and name in terms.finished
    ]
    step = min(map(len, ahead), default=0)
    return [taken for taken in ahead if len(taken) == step]


def _chosen(candidates: int, count: int) -> str:
    """Return what choosing by gain does to a step's interval; empty where nothing was chosen."""
    if count == 1:
        return ""
    largest = f"chosen as the largest of {candidates}; " if candidates > 1 else ""
    return f"{largest}the interval holds for all {count} steps that were possible there"


def _selection(ladder: Sequence[Rung]) -> Iterator[str]:
    """Yield that the ladder's steps were chosen by what they gain, as a sentence."""
    first = next((rung for rung in ladder if rung.change and rung.note), None)
    if first is not None:
        yield f"Steps of the ladder are chosen by their gain: {first.factor} was {first.note}."
