"""Generate the candidates of each kind of design from a study's factors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, TypeGuard

from tempo.core.seeding import stream
from tempo.design.factors import Candidate, Levels
from tempo.design.fractional_factorial import MAX_FACTORS, Fraction, smallest_fraction
from tempo.design.matched_controls import matched_widths
from tempo.design.path_designs import add_one_in, greedy_ladder, ladder, leave_one_out
from tempo.design.study_context import StudyContext, Where
from tempo.spec import designs as spec
from tempo.spec.options import Options

SOBOL_BITS = 30
"""Binary digits of a coordinate. Run ids depend on them."""

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
        place = study.factors.place(*where, "factors")
        study.problems.add(f"a fractional design has at most {MAX_FACTORS} factors", place)
    if study.problems:
        return
    pools = [tuple(sorted(pool)) for pool in pools]
    fraction = smallest_fraction(len(pools), design.resolution)
    study.aliases += _aliases(fraction, design.factors)
    rows = fraction.runs()
    yield from _assigned(
        (tuple(pool[level] for pool, level in zip(pools, row, strict=True)) for row in rows),
        study,
        where,
    )


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
        study.problems.add(message, study.factors.place(*where, "baseline"))
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
        place = study.factors.place(*where, "factors")
        study.problems.add(f"zip needs factors with equally many levels (given: {told})", place)
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
    yield from _assigned(
        (
            tuple(
                study.factors.draw(name, share, place)
                for name, share in zip(design.factors, row, strict=True)
            )
            for row in rows
        ),
        study,
        where,
    )


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
    return [
        [
            (int(value * scale) ^ shift % scale) / scale
            for value, shift in zip(row, shifts, strict=True)
        ]
        for row in rows
    ]


def variant_list(
    design: spec.VariantList, study: StudyContext, where: Where
) -> Iterator[Candidate]:
    """Yield the named variants, in the order given."""
    names = design.variants or tuple(study.spec.variants)
    if not names:
        place = study.factors.place(*where)
        study.problems.add("a list needs named `variants` in the study", place)
    for index, name in enumerate(names):
        found = study.factors.variant(name, study.factors.place(*where, "variants", index))
        if found is not None:
            yield found


def any_ladder(design: spec.Ladder, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Yield a ladder in the order it was given, or in the order that measurements find."""
    rule = greedy_ladder if design.order == "greedy" else ladder
    yield from rule(design, study, where)


RULES: dict[type[Options], Rule] = {
    spec.Factorial: factorial,
    spec.Fractional: fractional,
    spec.OneFactor: one_factor,
    spec.LeaveOneOut: leave_one_out,
    spec.AddOneIn: add_one_in,
    spec.Ladder: any_ladder,
    spec.VariantList: variant_list,
    spec.Zip: zip_levels,
    spec.Sobol: sobol_points,
}


def _matches(design: Options) -> TypeGuard[spec.DesignOptions]:
    return isinstance(design, spec.DesignOptions) and design.match is not None


def candidates(study: StudyContext) -> Iterator[Candidate]:
    """Yield the candidates of all designs, in order.

    Without a design these are the named variants or, when there are none, the study itself.
    """
    if not study.spec.design and not study.spec.variants:
        yield study.candidate(study.spec.study, (), study.factors.place("study"))
        return
    for index, design in enumerate(study.spec.design or (spec.VariantList(),)):
        where = ("design", index)
        found = RULES[type(design)](design, study, where)
        for candidate in matched_widths(design, found, study, where) if _matches(design) else found:
            study.seen.setdefault(candidate.name, candidate)
            yield candidate
