"""Each kind of design as a function from a study's factors to candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from tempo.design.factors import Candidate, Factors, Levels
from tempo.spec.options import Options
from tempo.spec.study import Factorial, VariantList

Where = tuple[str | int, ...]
"""Path of the design in the spec's tree."""

Rule = Callable[[Any, Factors, Where], Iterator[Candidate]]


def variant_name(levels: Levels) -> str:
    """`se=on dilation=pattern`."""
    return " ".join(f"{factor}={label}" for factor, label in levels)


def candidate(levels: Levels, factors: Factors, where: Where) -> Candidate:
    """The unnamed candidate of an assignment."""
    return Candidate(
        name=variant_name(levels),
        levels=levels,
        overlays=factors.overlays(levels),
        place=factors.place(*where),
    )


def pools(names: tuple[str, ...], factors: Factors, where: Where) -> list[Levels]:
    """For each factor named at `where`, its pairs of factor and level."""
    out = []
    for index, name in enumerate(names):
        labels = factors.labels(name, factors.place(*where, index))
        out.append(tuple((name, label) for label in labels))
    return out


def factorial(design: Factorial, factors: Factors, where: Where) -> Iterator[Candidate]:
    """Every combination, the last factor varying fastest."""
    for levels in product(*pools(design.factors, factors, (*where, "factors"))):
        yield candidate(levels, factors, where)


def listed(design: VariantList, factors: Factors, where: Where) -> Iterator[Candidate]:
    """The named variants, in the order given."""
    names = design.variants or tuple(factors.spec.variants)
    if not names:
        factors.problems.add("a list needs named `variants` in the study", factors.place(*where))
    for index, name in enumerate(names):
        found = factors.variant(name, factors.place(*where, "variants", index))
        if found is not None:
            yield found


RULES: dict[type[Options], Rule] = {Factorial: factorial, VariantList: listed}


def candidates(factors: Factors) -> Iterator[Candidate]:
    """The candidates of all designs, in order.

    Without a design these are the named variants or, when there are none, the study itself.
    """
    spec = factors.spec
    if not spec.design and not spec.variants:
        place = factors.place("study")
        yield Candidate(name=spec.study, levels=(), overlays=(), place=place)
    for index, design in enumerate(spec.design or (VariantList(),) * bool(spec.variants)):
        yield from RULES[type(design)](design, factors, ("design", index))
