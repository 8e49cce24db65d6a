"""From linear combinations to intervals, p values corrected over their family, and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tempo.compare.statistics import student_t as student
from tempo.compare.statistics.crossed_bootstrap import MIN_SEEDS as BOOTSTRAP_SEEDS
from tempo.compare.statistics.crossed_bootstrap import crossed_bootstrap
from tempo.compare.statistics.power import Plan, seeds_needed
from tempo.compare.statistics.quantities import Interval, Verdict
from tempo.compare.statistics.random_effects import SAME_RUNS, Crossed, Linear
from tempo.compare.statistics.verdict import MIN_SEEDS, Case, judge
from tempo.core.records import MetricInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a family of hypotheses is judged by."""

    info: MetricInfo
    delta: float | None
    level: float
    power: float

    @property
    def alpha(self) -> float:
        return round(1 - self.level, 12)

    @property
    def sign(self) -> int:
        """+1 when higher is better."""
        return 1 if self.info.better == "higher" else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A linear combination with its interval and its own p values."""

    linear: Linear
    interval: Interval
    p: float | None
    p_equal: float | None
    seeds: int
    planned: int
    plan: Plan | None


def examine(
    model: Crossed, linear: Linear, terms: Terms, *, seeds: int, planned: int, bootstrap: bool
) -> Examined:
    """Interval and p values of one combination; `bootstrap` where there are seeds enough."""
    plan = _plan(model, linear, seeds)
    if plan is None:
        interval = Interval(value=linear.value, level=terms.level, method="one seed: no interval")
        return Examined(
            linear=linear,
            interval=interval,
            p=None,
            p_equal=None,
            seeds=seeds,
            planned=planned,
            plan=None,
        )
    make = _bootstrapped if bootstrap and _can_bootstrap(model, linear) else _by_t
    interval, p, p_equal = make(model, linear, terms)
    return Examined(
        linear=linear,
        interval=interval,
        p=p,
        p_equal=p_equal,
        seeds=seeds,
        planned=planned,
        plan=plan,
    )


def _plan(model: Crossed, linear: Linear, seeds: int) -> Plan | None:
    parts = linear.parts
    if not parts.seed_df or parts.seed != parts.seed:
        return None
    variants = len(set(model.panel.variant[model.trained]))
    return Plan(
        seed=parts.seed * seeds,
        source=max(parts.source - parts.both, 0.0),
        both=parts.both * seeds,
        source_df=parts.source_df if model.panel.samples_clips else float("inf"),
        variants=max(variants, 2) if linear.components.pooled else 2,
    )


def _can_bootstrap(model: Crossed, linear: Linear) -> bool:
    enough = linear.paired is not None and len(linear.seeds) >= BOOTSTRAP_SEEDS
    return enough and model.panel.samples_clips and linear.parts.variance > 0


def _by_t(model: Crossed, linear: Linear, terms: Terms) -> tuple[Interval, float, float | None]:
    parts = linear.parts
    df = parts.df if parts.variance > 0 else parts.seed_df
    half = student.quantile(0.5 + terms.level / 2, df) * parts.se
    scope = "seeds and sources crossed" if model.panel.samples_clips else "seeds; these clips only"
    interval = Interval(
        value=linear.value,
        low=linear.value - half,
        high=linear.value + half,
        level=terms.level,
        se=parts.se,
        df=df,
        method=f"random effects ({scope}), Satterthwaite t",
    )
    p = student.two_sided(linear.value, parts.se, df)
    equal = None
    if terms.delta is not None:
        equal = student.equivalence(linear.value, parts.se, df, terms.delta)
    return interval, p, equal


def _bootstrapped(
    model: Crossed, linear: Linear, terms: Terms
) -> tuple[Interval, float, float | None]:
    assert linear.paired is not None
    boot = crossed_bootstrap(linear.paired, model.panel.weights, linear.parts.df)
    low, high = boot.interval(terms.level)
    interval = Interval(
        value=linear.value,
        low=low,
        high=high,
        level=terms.level,
        se=boot.se,
        df=linear.parts.df,
        method="crossed bootstrap (seeds and sources), expanded percentiles",
    )
    equal = None if terms.delta is None else boot.equivalence(terms.delta)
    return interval, boot.two_sided(), equal


@dataclass(frozen=True, slots=True)
class Judged:
    """The family's answer to one hypothesis."""

    p_adjusted: float | None
    verdict: Verdict


def family(tested: Sequence[Examined], terms: Terms) -> list[Judged]:
    """Holm over the hypotheses that could be settled, then a word for each.

    Those with too few seeds are no hypotheses: nothing can be claimed of them, so they cost the
    others nothing. Differences and equivalences are two families, each held at `alpha`.
    """
    members = [index for index, each in enumerate(tested) if _is_member(each)]
    p = dict(zip(members, student.holm([tested[i].p or 0.0 for i in members]), strict=True))
    equal: dict[int, float] = {}
    if terms.delta is not None:
        raw = [tested[i].p_equal or 0.0 for i in members]
        equal = dict(zip(members, student.holm(raw), strict=True))
    size = sum(each.p is not None for each in tested)
    return [
        Judged(p.get(index), _verdict(each, p.get(index), equal.get(index), terms, size))
        for index, each in enumerate(tested)
    ]


def _is_member(tested: Examined) -> bool:
    return tested.p is not None and tested.seeds >= MIN_SEEDS


def _verdict(
    tested: Examined, p: float | None, equal: float | None, terms: Terms, size: int
) -> Verdict:
    return judge(
        Case(
            value=tested.interval.value,
            unit=terms.info.unit,
            digits=terms.info.digits + 1,
            p=1.0 if p is None else p,
            p_equal=equal,
            better=terms.sign,
            delta=terms.delta,
            alpha=terms.alpha,
            seeds=tested.seeds,
            needed=partial(_needed, tested, terms, size),
            same_runs=tested.linear.components.test == SAME_RUNS,
        )
    )


def _needed(tested: Examined, terms: Terms, size: int) -> int | None:
    """Seeds that would probably settle the case, were its difference the true one."""
    if tested.plan is None:
        return MIN_SEEDS
    return seeds_needed(
        tested.plan,
        tested.interval.value,
        delta=terms.delta,
        alpha=terms.alpha / max(size, 1),
        power=terms.power,
    )
