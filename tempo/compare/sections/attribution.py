"""How a gain between two variants splits over the choices in which they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tempo.compare.statistics.fitted_study import Measured
from tempo.compare.statistics.hypothesis_tests import examine
from tempo.compare.statistics.quantities import Attribution, Interval, Rung
from tempo.core.catalog import unknown
from tempo.core.errors import TempoError
from tempo.core.records import PlannedVariant

SECTIONS = ("arch", "recipe")


@dataclass(frozen=True)
class Arms:
    """Variants between `start` and `end`, by which of the differing factors they take from `end`.

    `factors` maps a factor to the config fields it sets together.
    """

    start: str
    end: str
    factors: Mapping[str, tuple[str, ...]]
    taken: Mapping[frozenset[str], str]
    changes: Mapping[str, tuple[str, str]]

    def at(self, *factors: str) -> str | None:
        return self.taken.get(frozenset(factors))

    def without(self, factor: str) -> str | None:
        return self.taken.get(frozenset(self.factors) - {factor})


def attribution(measured: Measured) -> Attribution | None:
    """Add-in, leave-out and ladder from one variant to another.

    The ends are those asked for, else the baseline and the variant with most arms in between.
    None when no variant lies between any two.

    Raises:
        TempoError: when an end that was asked for is no variant.
    """
    trained = {variant.name: variant for variant in measured.sample.trained}
    asked = measured.sample.query.attribution
    if asked:
        for name in asked:
            if name not in trained:
                raise TempoError(unknown("variant", name, trained))
        return _attribution(measured, _arms(trained, *asked))
    if measured.baseline not in trained or measured.baseline is None:
        return None
    others = [name for name in trained if name != measured.baseline]
    found = [_arms(trained, measured.baseline, name) for name in others]
    useful = [arms for arms in found if len(arms.factors) > 1 and _between(arms) >= 2]
    if not useful:
        return None
    best = max(useful, key=lambda arms: (_between(arms), len(arms.factors)))
    return _attribution(measured, best)


def _between(arms: Arms) -> int:
    return sum(0 < len(taken) < len(arms.factors) for taken in arms.taken)


def _fields(variant: PlannedVariant) -> dict[str, str]:
    """Every top-level choice of architecture and recipe, as text."""
    return {
        f"{section}.{name}": json.dumps(value, sort_keys=True)
        for section in SECTIONS
        for name, value in variant.config.get(section, {}).items()
    }


def _arms(trained: Mapping[str, PlannedVariant], start: str, end: str) -> Arms:
    fields = {name: _fields(variant) for name, variant in trained.items()}
    low, high = fields[start], fields[end]
    differing = [field for field in low | high if low.get(field) != high.get(field)]
    patterns: dict[str, tuple[str, ...]] = {}
    for name, own in fields.items():
        sides = tuple(_side(own.get(f), low.get(f), high.get(f)) for f in differing)
        elsewhere = any(own.get(f) != low.get(f) for f in low | own if f not in differing)
        if "?" not in sides and not elsewhere:
            patterns[name] = sides
    groups: dict[tuple[str, ...], list[str]] = {}
    for place, field in enumerate(differing):
        column = tuple(sides[place] for sides in patterns.values())
        groups.setdefault(column, []).append(field)
    factors = {_label(trained, list(patterns), c, f): tuple(f) for c, f in groups.items()}
    taken: dict[frozenset[str], str] = {}
    for name, sides in patterns.items():
        side = dict(zip(differing, sides, strict=True))
        own_factors = frozenset(key for key, group in factors.items() if side[group[0]] == "end")
        taken.setdefault(own_factors, name)
    changes = {name: (_shown(low, group), _shown(high, group)) for name, group in factors.items()}
    taken[frozenset()], taken[frozenset(factors)] = start, end
    return Arms(start, end, factors, taken, changes)


def _side(value: str | None, low: str | None, high: str | None) -> str:
    return "start" if value == low else "end" if value == high else "?"


def _label(
    trained: Mapping[str, PlannedVariant],
    names: Sequence[str],
    column: Sequence[str],
    fields: Sequence[str],
) -> str:
    """The study's own factor when one toggles just like this, else the fields."""
    for factor in dict.fromkeys(key for name in names for key in trained[name].levels):
        levels = [trained[name].levels.get(factor) for name in names]
        pairs = set(zip(levels, column, strict=True))
        if None not in levels and len(pairs) == len(set(levels)) == len(set(column)) == 2:
            return factor
    return ", ".join(field.split(".", 1)[1] for field in fields)


def _shown(values: Mapping[str, str], group: Sequence[str]) -> str:
    """The values of a factor's fields, a kind alone by its name."""
    shown = []
    for field in group:
        value = json.loads(values[field]) if field in values else None
        if isinstance(value, dict) and "kind" in value:
            value = value["kind"]
        shown.append(value if isinstance(value, str) else json.dumps(value))
    return ", ".join(shown)


def _attribution(measured: Measured, arms: Arms) -> Attribution:
    add_in = [_rung(measured, "add_in", f, arms.at(f), arms.start) for f in arms.factors]
    leave_out = [_rung(measured, "leave_out", f, arms.end, arms.without(f)) for f in arms.factors]
    missing = [rung.factor for rung in (*add_in, *leave_out) if rung.change is None]
    return Attribution(
        metric=measured.primary.info.name,
        start=arms.start,
        end=arms.end,
        changes=arms.changes,
        total=_change(measured, {arms.end: 1.0, arms.start: -1.0}),
        add_in=tuple(add_in),
        leave_out=tuple(leave_out),
        ladder=_ladder(measured, arms),
        residual=_residual(measured, arms, add_in),
        note=f"without a finished arm: {', '.join(dict.fromkeys(missing))}" if missing else "",
    )


def _change(measured: Measured, weights: Mapping[str, float]) -> Interval | None:
    model = measured.model
    if model is None or any(name not in model.panel.variants for name in weights):
        return None
    linear = model.contrast(weights)
    if linear is None:
        return None
    count = len(linear.seeds)
    tested = examine(model, linear, measured.primary, seeds=count, planned=count, bootstrap=True)
    return tested.interval


def _level(measured: Measured, name: str | None) -> float | None:
    metric = measured.primary.info.name
    runs = measured.sample.done(name) if name else []
    values = [run.values[metric] for run in runs if metric in run.values]
    return sum(values) / len(values) if values else None


def _rung(
    measured: Measured, kind: str, factor: str, variant: str | None, against: str | None
) -> Rung:
    change = None
    if variant and against:
        change = _change(measured, {variant: 1.0, against: -1.0})
    note = "" if change else _why(measured, variant, against)
    level = _level(measured, variant)
    return Rung(
        kind=kind,
        factor=factor,
        variant=variant,
        against=against,
        change=change,
        level=level,
        note=note,
    )


def _why(measured: Measured, variant: str | None, against: str | None) -> str:
    if variant is None or against is None:
        return "the study has no such variant"
    unfinished = [name for name in (variant, against) if not measured.sample.done(name)]
    if unfinished:
        return f"no finished run of {', '.join(unfinished)}"
    return "no seed is finished in both"


def _residual(measured: Measured, arms: Arms, add_in: Sequence[Rung]) -> Interval | None:
    """Total minus the sum of the add-ins, as one combination, so that its interval is exact."""
    names = [rung.variant for rung in add_in]
    if any(rung.change is None for rung in add_in) or None in names:
        return None
    weights = {arms.end: 1.0, arms.start: float(len(names) - 1)}
    for name in names:
        if name is not None:
            weights[name] = weights.get(name, 0.0) - 1.0
    return _change(measured, {name: w for name, w in weights.items() if w})


def _ladder(measured: Measured, arms: Arms) -> tuple[Rung, ...]:
    """From start to end by the arm that gains most at each step; steps may add several factors."""
    sign = measured.primary.sign
    reached: frozenset[str] = frozenset()
    rungs: list[Rung] = []
    while reached != frozenset(arms.factors):
        ahead = [
            (taken, level)
            for taken, name in arms.taken.items()
            if reached < taken and (level := _level(measured, name)) is not None
        ]
        if not ahead:
            break
        step = min(len(taken) for taken, _ in ahead)
        nearest = [(taken, level) for taken, level in ahead if len(taken) == step]
        best, _ = max(nearest, key=lambda each: sign * each[1])
        factor = " + ".join(name for name in arms.factors if name in best - reached)
        rungs.append(_rung(measured, "ladder", factor, arms.taken[best], arms.taken[reached]))
        reached = best
    return tuple(rungs)
