"""Every variant against the baseline, in one metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tempo.compare.loading.load_runs import Sample
from tempo.compare.statistics.hypothesis_tests import Examined, Judged, Terms, examine, family
from tempo.compare.statistics.quantities import Contrast, Verdict, Word
from tempo.compare.statistics.random_effects import Crossed


@dataclass(frozen=True)
class Field:
    """What the contrasts of one metric are computed from.

    `model` is None when no run has a value; `hashes` is each variant's protocol.
    """

    sample: Sample
    baseline: str
    terms: Terms
    model: Crossed | None
    hashes: Mapping[str, str | None]

    @property
    def run_ids(self) -> dict[tuple[str, int | None], str]:
        return {run.key: run.run_id for run in self.sample.runs}


def contrasts(field: Field, variants: Sequence[str]) -> list[Contrast]:
    """`variants` minus the baseline; one family for trained variants, one for references.

    A contrast that cannot be made is there as well, with the reason.
    """
    trained = [name for name in variants if _role(field, name) != "reference"]
    others = [name for name in variants if name not in trained]
    metric = field.terms.info.name
    by_name = {each.variant: each for each in _family(field, trained, f"{metric}: variants")}
    by_name |= {each.variant: each for each in _family(field, others, f"{metric}: references")}
    return [by_name[name] for name in variants]


def _role(field: Field, name: str) -> str:
    return next(each.role for each in field.sample.variants if each.name == name)


def _family(field: Field, names: Sequence[str], label: str) -> list[Contrast]:
    tested = {name: _tested(field, name) for name in names}
    made = {name: each for name, each in tested.items() if isinstance(each, Examined)}
    judged = dict(zip(made, family(list(made.values()), field.terms), strict=True))
    size = f"{label} ({len(made)})"
    return [
        _contrast(field, name, made[name], judged[name], size)
        if name in made
        else _absent(field, name, verdict, size)
        for name, verdict in tested.items()
    ]


def _tested(field: Field, name: str) -> Examined | Verdict:
    """The test of a contrast, or why there is none."""
    baseline, model = field.baseline, field.model
    mine, theirs = field.hashes.get(name), field.hashes.get(baseline)
    if mine and theirs and mine != theirs:
        reason = f"judged under another protocol ({mine} against {theirs})"
        return Verdict(word=Word.INCOMPARABLE, reason=reason)
    for each in (baseline, name):
        if not field.sample.done(each):
            return Verdict(word=Word.INCONCLUSIVE, reason=f"no finished run of {each}")
    if model is None:
        return Verdict(word=Word.INCONCLUSIVE, reason="no values of this metric per clip")
    linear = model.contrast({name: 1.0, baseline: -1.0})
    if linear is None:
        reason = f"no seed is finished in both {name} and {baseline}"
        return Verdict(word=Word.INCONCLUSIVE, reason=reason)
    return examine(
        model,
        linear,
        field.terms,
        seeds=len(linear.seeds),
        planned=_planned(field, name),
        bootstrap=True,
    )


def _planned(field: Field, name: str) -> int:
    """Pairs that were planned: a reference pairs with every seed of the baseline."""
    seeds = [{run.seed for run in field.sample.of(each)} for each in (name, field.baseline)]
    counted = [each for each in seeds if each != {None}]
    return len(set.intersection(*counted)) if counted else 0


def _contrast(field: Field, name: str, tested: Examined, judged: Judged, label: str) -> Contrast:
    assert field.model is not None
    panel, linear = field.model.panel, tested.linear
    ids = field.run_ids
    return Contrast(
        variant=name,
        baseline=field.baseline,
        metric=field.terms.info.name,
        difference=tested.interval,
        p=tested.p,
        p_adjusted=judged.p_adjusted,
        verdict=judged.verdict,
        delta=field.terms.delta,
        family=label,
        components=linear.components,
        seeds=linear.seeds,
        planned_n=tested.planned,
        clips=panel.clips,
        sources=panel.sources if panel.clips else 0,
        values=linear.per_seed,
        run_ids=tuple(
            (_run(ids, name, seed), _run(ids, field.baseline, seed)) for seed in linear.seeds
        ),
    )


def _run(ids: Mapping[tuple[str, int | None], str], name: str, seed: int) -> str:
    return ids.get((name, seed)) or ids[name, None]


def _absent(field: Field, name: str, verdict: object, label: str) -> Contrast:
    assert isinstance(verdict, Verdict)
    return Contrast(
        variant=name,
        baseline=field.baseline,
        metric=field.terms.info.name,
        difference=None,
        p=None,
        p_adjusted=None,
        verdict=verdict,
        delta=field.terms.delta,
        family=label,
        components=None,
        seeds=(),
        planned_n=_planned(field, name),
        clips=0,
        sources=0,
        values=(),
        run_ids=(),
    )
