"""Split the gain between two variants over the choices in which they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.statistics.quantities import Attribution, Interval, Rung
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
        return _attribution(study, _arms(trained, *asked))
    if study.baseline not in trained or study.baseline is None:
        return None
    others = [name for name in trained if name != study.baseline]
    found = [_arms(trained, study.baseline, name) for name in others]
    useful = [arms for arms in found if len(arms.factors) > 1 and _between(arms) >= 2]
    if not useful:
        return None
    best = max(useful, key=lambda arms: (_between(arms), len(arms.factors)))
    return _attribution(study, best)


def _between(arms: Arms) -> int:
    return sum(0 < len(taken) < len(arms.factors) for taken in arms.taken)


def _fields(variant: PlannedVariant) -> dict[str, str]:
    """Return every top-level choice of architecture and recipe, as text."""
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
    """Return the study's own factor that toggles just as these fields do, else the fields."""
    for factor in dict.fromkeys(key for name in names for key in trained[name].levels):
        levels = [trained[name].levels.get(factor) for name in names]
        pairs = set(zip(levels, column, strict=True))
        if None not in levels and len(pairs) == len(set(levels)) == len(set(column)) == 2:
            return factor
    return ", ".join(field.split(".", 1)[1] for field in fields)


def _shown(values: Mapping[str, str], group: Sequence[str]) -> str:
    """Return the values of a factor's fields as text, a kind alone by its name."""
    shown = []
    for field in group:
        value = json.loads(values[field]) if field in values else None
        if isinstance(value, dict) and "kind" in value:
            value = value["kind"]
        shown.append(value if isinstance(value, str) else json.dumps(value))
    return ", ".join(shown)


def _attribution(study: FittedStudy, arms: Arms) -> Attribution:
    taken, whole = arms.taken, frozenset(arms.factors)
    add_in = [
        _rung(study, "add_in", f, taken.get(frozenset({f})), arms.start) for f in arms.factors
    ]
    leave_out = [
        _rung(study, "leave_out", f, arms.end, taken.get(whole - {f})) for f in arms.factors
    ]
    missing = [rung.factor for rung in (*add_in, *leave_out) if rung.change is None]
    return Attribution(
        metric=study.metric,
        start=arms.start,
        end=arms.end,
        changes=arms.changes,
        total=study.change({arms.end: 1.0, arms.start: -1.0}),
        add_in=tuple(add_in),
        leave_out=tuple(leave_out),
        ladder=_ladder(study, arms),
        residual=_residual(study, arms, add_in),
        note=f"without a finished arm: {', '.join(dict.fromkeys(missing))}" if missing else "",
    )


def _rung(
    study: FittedStudy, kind: str, factor: str, variant: str | None, against: str | None
) -> Rung:
    change = study.change({variant: 1.0, against: -1.0}) if variant and against else None
    return Rung(
        kind=kind,
        factor=factor,
        variant=variant,
        against=against,
        change=change,
        level=study.sample.mean(variant, study.metric),
        note="" if change else _why(study, variant, against),
    )


def _why(study: FittedStudy, variant: str | None, against: str | None) -> str:
    if variant is None or against is None:
        return "the study has no such variant"
    unfinished = [name for name in (variant, against) if not study.sample.done(name)]
    if unfinished:
        return f"no finished run of {', '.join(unfinished)}"
    return "no seed is finished in both"


def _residual(study: FittedStudy, arms: Arms, add_in: Sequence[Rung]) -> Interval | None:
    """Return total minus the sum of the add-ins: one combination, so that its interval is exact."""
    if any(rung.change is None for rung in add_in):
        return None
    weights = {arms.end: 1.0, arms.start: float(len(add_in) - 1)}
    for name in [rung.variant for rung in add_in if rung.variant]:
        weights[name] = weights.get(name, 0.0) - 1.0
    return study.change({name: w for name, w in weights.items() if w})


def _ladder(study: FittedStudy, arms: Arms) -> tuple[Rung, ...]:
    """Return the steps from start to end, each to the nearest arm that gains most."""
    sign = study.primary.sign
    reached: frozenset[str] = frozenset()
    rungs: list[Rung] = []
    while reached != frozenset(arms.factors):
        ahead = [
            (taken, level)
            for taken, name in arms.taken.items()
            if reached < taken and (level := study.sample.mean(name, study.metric)) is not None
        ]
        if not ahead:
            break
        step = min(len(taken) for taken, _ in ahead)
        nearest = [(taken, level) for taken, level in ahead if len(taken) == step]
        best, _ = max(nearest, key=lambda each: sign * each[1])
        factor = " + ".join(name for name in arms.factors if name in best - reached)
        rungs.append(_rung(study, "ladder", factor, arms.taken[best], arms.taken[reached]))
        reached = best
    return tuple(rungs)
