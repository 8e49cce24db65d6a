"""Generate the candidates of each kind of design from a study's factors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

from tempo.core.seeding import stream
from tempo.design.factors import Candidate, Levels
from tempo.design.fractional_factorial import MAX_FACTORS, Fraction, smallest_fraction
from tempo.design.measurements import Width
from tempo.design.path_designs import add_one_in, ladder, leave_one_out
from tempo.design.study_context import StudyContext, Where, named_variant
from tempo.design.unused_factors import check_factors_are_used
from tempo.spec import designs as spec
from tempo.spec.options import Options
from tempo.spec.yaml.value_tree import change

SOBOL_BITS = 30
"""Binary digits of a coordinate. Run ids depend on them."""

TOLERANCE = 0.02
"""Largest relative deviation of a matched cost."""

FIELD = "base_channels"
QUANTITIES = {"parameters": "parameters", "macs": "MACs", "step_time": "ms a step"}

Rule = Callable[[Any, StudyContext, Where], Iterator[Candidate]]


def variant_name(levels: Levels) -> str:
    """Return the name of an assignment: `se=on dilation=pattern`."""
    return " ".join(f"{factor}={label}" for factor, label in levels)


def _assigned(
    assignments: Iterable[Levels], study: StudyContext, where: Where
) -> Iterator[Candidate]:
    """Yield a candidate per distinct assignment, without the factors that do not apply."""
    place, seen = study.factors.place(*where), set()
    for levels in assignments:
        applied = study.conditions.applied(levels)
        if applied is None or applied in seen:
            continue
        seen.add(applied)
        yield study.candidate(variant_name(applied) or study.spec.study, applied, place)


def _pools(
    names: tuple[str, ...], study: StudyContext, where: Where, given: Iterable[str] = ()
) -> list[Levels]:
    """Return, for each factor named in the design at `where`, its pairs of factor and level.

    `given` names factors that have a level in this design without being varied.
    """
    out = []
    known = tuple(dict.fromkeys(e for e in (*names, *given) if e in study.spec.factors))
    for index, name in enumerate(names):
        place = study.factors.place(*where, "factors", index)
        if name in names[:index]:
            study.problems.add(f"factor {name!r} is named twice", place)
        out.append(tuple((name, label) for label in study.factors.labels(name, place)))
        study.check_beside(name, known, place)
    return out


def factorial(design: spec.Factorial, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Yield every combination, the last factor varying fastest."""
    yield from _assigned(product(*_pools(design.factors, study, where)), study, where)


def fractional(design: spec.Fractional, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Yield a regular fraction; what it confounds is noted in the plan."""
    pools = _pools(design.factors, study, where)
    for index, (name, pool) in enumerate(zip(design.factors, pools, strict=True)):
        if pool and len(pool) != 2:
            place = study.factors.place(*where, "factors", index)
            rule = "a fractional design needs factors of two levels"
            study.problems.add(f"{rule}; {name!r} has {len(pool)} in use", place)
    if len(pools) > MAX_FACTORS:
        message = f"a fractional design has at most {MAX_FACTORS} factors"
        study.add_problem(message, *where, "factors")
    if study.problems:
        return
    pools = [tuple(sorted(pool)) for pool in pools]
    fraction = smallest_fraction(len(pools), design.resolution)
    study.aliases += _aliases(fraction, design.factors)
    assignments = (
        tuple(pool[level] for pool, level in zip(pools, row, strict=True))
        for row in fraction.runs()
    )
    yield from _assigned(assignments, study, where)


def _aliases(fraction: Fraction, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    def effect(mask: int) -> str:
        return ":".join(name for bit, name in enumerate(names) if mask >> bit & 1)

    return [tuple(effect(mask) for mask in group) for group in fraction.aliases()]


def one_factor(design: spec.OneFactor, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Yield the baseline, then the baseline with one level changed at a time."""
    place = study.factors.place(*where)
    pools = _pools(design.factors, study, where, design.baseline)
    for factor, label in design.baseline.items():
        study.factors.has(factor, label, study.factors.place(*where, "baseline", factor))
    if study.problems:
        return
    names = (*design.factors, *sorted(design.baseline))
    base = {name: design.baseline[name] for name in names if name in design.baseline}
    start = study.conditions.applied(tuple(base.items()))
    if start is None:
        message = "the baseline has a level that does not apply beside its others"
        study.add_problem(message, *where, "baseline")
        return
    yield study.candidate(design.name, start, place)
    for name, label in (pair for pool in pools for pair in pool):
        levels = study.conditions.applied(tuple({**base, name: label}.items()))
        if base.get(name) != label and levels is not None and (name, label) in levels:
            yield study.candidate(variant_name(((name, label),)), levels, place)


def zip_levels(design: spec.Zip, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Yield the i-th levels of all factors together, for each i."""
    pools = _pools(design.factors, study, where)
    counts = {name: len(pool) for name, pool in zip(design.factors, pools, strict=True) if pool}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        message = f"zip needs factors with equally many levels (given: {told})"
        study.add_problem(message, *where, "factors")
        return
    yield from _assigned(zip(*pools, strict=False), study, where)


def sobol_points(design: spec.Sobol, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Yield the points of a Sobol sequence, each distinct combination of levels once."""
    place = study.factors.place(*where)
    for index, name in enumerate(design.factors):
        at = study.factors.place(*where, "factors", index)
        if name not in study.spec.factors or study.spec.factors[name].range is None:
            study.factors.labels(name, at)
    if study.problems:
        return
    shifts = [stream(design.seed, "sobol", name) for name in design.factors]
    rows = sobol_sequence(design.points, shifts)
    draw = partial(study.factors.draw, place=place)
    yield from _assigned((tuple(map(draw, design.factors, row)) for row in rows), study, where)


def sobol_sequence(count: int, shifts: Sequence[int]) -> list[list[float]]:
    """Return the first `count` points of the Sobol sequence in [0, 1)^d, d = len(shifts).

    The low 30 bits of a shift are XORed onto the coordinates of its dimension (a digital shift,
    which keeps the sequence's balance); zeros give the plain sequence.
    """
    # scipy.stats takes half a second to import, which only plans with this design should pay.
    from scipy.stats import qmc

    engine = qmc.Sobol(len(shifts), scramble=False, bits=SOBOL_BITS)
    rows = engine.random_base2((count - 1).bit_length())[:count].tolist()
    scale = 1 << SOBOL_BITS
    masks = [shift % scale for shift in shifts]
    return [
        [(int(value * scale) ^ mask) / scale for value, mask in zip(row, masks, strict=True)]
        for row in rows
    ]


def variant_list(
    design: spec.VariantList, study: StudyContext, where: Where
) -> Iterator[Candidate]:
    """Yield the named variants, in the order given."""
    names = design.variants or tuple(study.spec.variants)
    if not names:
        study.add_problem("a list needs named `variants` in the study", *where)
    for index, name in enumerate(names):
        found = study.factors.variant(name, study.factors.place(*where, "variants", index))
        if found is not None:
            yield found


RULES: dict[type[Options], Rule] = {
    spec.Factorial: factorial,
    spec.Fractional: fractional,
    spec.OneFactor: one_factor,
    spec.LeaveOneOut: leave_one_out,
    spec.AddOneIn: add_one_in,
    spec.Ladder: ladder,
    spec.VariantList: variant_list,
    spec.Zip: zip_levels,
    spec.Sobol: sobol_points,
}


def candidates(study: StudyContext) -> Iterator[Candidate]:
    """Yield the candidates of all designs, in order.

    Without a design these are the named variants or, when there are none, the study itself.
    """
    check_factors_are_used(study)
    if not study.spec.design and not study.spec.variants:
        yield study.candidate(study.spec.study, (), study.factors.place("study"))
        return
    for index, design in enumerate(study.spec.design or (spec.VariantList(),)):
        where = ("design", index)
        found = RULES[type(design)](design, study, where)
        if isinstance(design, spec.DesignOptions) and design.match is not None:
            found = matched_widths(design, found, study, where)
        for candidate in found:
            study.seen.setdefault(candidate.name, candidate)
            yield candidate


def matched_widths(
    design: spec.DesignOptions, found: Iterable[Candidate], study: StudyContext, where: Where
) -> Iterator[Candidate]:
    """Yield a design's candidates at the widths whose cost matches that of `match_to`.

    `design.match` is not None.
    """
    by, kept = str(design.match), list(found)
    name = design.match_to or study.spec.baseline
    place = study.factors.place(*where, "match")
    if name is None:
        study.problems.add("`match` needs `match_to`, or a baseline to be matched to", place)
        return
    seen = {each.name: each for each in kept} | study.seen
    target = named_variant(study, name, (*where, "match_to"), seen)
    if target is None or study.problems:
        return
    for each in kept:
        if each.name == name:
            yield each
            continue
        resolved = study.configs.resolve(each.overlays)
        if resolved is None or resolved.method != "network":
            continue
        if "kind" in resolved.config["arch"]:
            message = (
                f"{each.name!r} is a network of a plug-in, which has no {FIELD} to match by; leave "
                "it out of the design, or choose its options so that it fits"
            )
            study.problems.add(message, place)
            continue
        width = study.measured.width(resolved.config, target.config, by)
        if study.measured.pricing and width is None:
            continue
        if width is not None and abs(width.off) <= TOLERANCE:
            study.notes.append(_note(each.name, name, by, width))
            yield _widened(each, width)
        else:
            study.problems.add(_refusal(each.name, name, by, width), place)


def _widened(candidate: Candidate, width: Width) -> Candidate:
    """Return the candidate at a width, which becomes part of its name, levels and config."""
    label = str(width.base_channels)
    widened = change(f"arch.{FIELD}", width.base_channels, candidate.place)
    return Candidate(
        name=f"{candidate.name} {FIELD}={label}",
        levels=(*(pair for pair in candidate.levels if pair[0] != FIELD), (FIELD, label)),
        overlays=(*candidate.overlays, widened),
        place=candidate.place,
    )


def _note(name: str, target: str, by: str, width: Width) -> str:
    what = QUANTITIES[by]
    return (
        f"{name!r} has {FIELD} {width.base_channels} to match the {what} of {target!r}: "
        f"{_number(width.cost)} against {_number(width.wanted)} ({width.off:+.1%})"
    )


def _refusal(name: str, target: str, by: str, width: Width | None) -> str:
    if width is None and by == "step_time":
        return f"`match: step_time` needs prices of {name!r} and {target!r}: plan with --price"
    if width is None:
        return f"`match: {by}` needs the networks to be counted, which only the commands do"
    return (
        f"no width of {name!r} has the {QUANTITIES[by]} of {target!r} ({_number(width.wanted)}) "
        f"within {TOLERANCE:.0%}: the nearest, {FIELD} {width.base_channels}, "
        f"has {_number(width.cost)} ({width.off:+.1%})"
    )


def _number(value: float) -> str:
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"
