"""Hold in what two runs, variants or studies differ, read from records alone.

What is missing is None, never zero. Nothing here is a verdict: `compare` judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["run", "variant", "study", "spec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One side: what it is called, what it is, and how many runs with records are behind it."""

    name: str
    kind: Kind
    runs: int
    finished: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field, by its dotted path, with its value on both sides.

    `only`: the side that alone has the field. `variant`: whose field, in a difference of studies.
    """

    path: str
    before: Any
    after: Any
    only: Literal["", "before", "after"] = ""
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleChange:
    """A module of result-relevant code that is not the same on both sides."""

    module: str
    how: Literal["changed", "added", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeChange:
    """The code stamps and commits of both sides, and the modules that differ.

    `source`: what told the modules: `stamps` (hashes of syntax trees that the records keep), `git`
    (files that two commits have different, comments included) or empty, where `note` says why they
    are not known. A commit with uncommitted changes ends in `+`.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    commits_before: tuple[str, ...]
    commits_after: tuple[str, ...]
    modules: tuple[ModuleChange, ...] = ()
    source: Literal["", "stamps", "git"] = ""
    note: str = ""

    @property
    def same(self) -> bool:
        """Whether both sides have results of the very same code, as far as is recorded."""
        return set(self.before) == set(self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountChange:
    """A number of both sides: a cost, or a mean metric of the test. None where not recorded."""

    name: str
    unit: str
    before: float | None
    after: float | None
    variant: str = ""

    @property
    def ratio(self) -> float | None:
        """The later number over the earlier one; None where there is none."""
        if self.before is None or self.after is None or self.before == 0:
            return None
        return self.after / self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveParting:
    """Where a curve of two runs parts.

    `curve`: `train loss` or `validation psnr`. `points` are the steps that both runs logged;
    `step` is the first of them at which the values are not the same number (None: they are at all),
    `equal_until` the last one before it. A logged loss is a mean since the log before, so that
    training parted between the two. `before` and `after` are the values at `step`; `last_step` and
    `at_end` the last common step and the difference there.
    """

    pair: str
    curve: str
    points: int
    step: int | None
    equal_until: int | None
    before: float | None
    after: float | None
    last_step: int | None
    at_end: float | None

    @property
    def by(self) -> float | None:
        """The later value minus the earlier one, where the curves part."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightDistance:
    """How far the weights that two runs chose are apart.

    `distance` is the L2 norm of the difference over the tensors that both have in one shape,
    `relative` that over the norm of the earlier ones; `largest` is the largest difference of one
    number. `parts` is `relative` by the part of the network (`encoder`, ...). `shared` tensors are
    compared, `other_shape` have another shape, the others are on one side alone. `problem`: why
    nothing is known; empty otherwise.
    """

    pair: str
    equal: bool = False
    distance: float | None = None
    relative: float | None = None
    largest: float | None = None
    largest_in: str = ""
    parts: Mapping[str, float] | None = None
    shared: int = 0
    other_shape: int = 0
    only_before: int = 0
    only_after: int = 0
    steps: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """In what two items differ. `only_before` and `only_after` are variants of studies, or seeds of
    variants, that one side alone has; `pairs` how many pairs of runs were put side by side, of
    which `same_runs` are the very same run."""

    before: Item
    after: Item
    config: tuple[FieldChange, ...] = ()
    environment: tuple[FieldChange, ...] = ()
    code: CodeChange | None = None
    data: tuple[FieldChange, ...] = ()
    costs: tuple[AmountChange, ...] = ()
    results: tuple[AmountChange, ...] = ()
    curves: tuple[CurveParting, ...] = ()
    weights: tuple[WeightDistance, ...] = ()
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    pairs: int = 0
    same_runs: int = 0
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs that decides a result: config, code, data, curves and weights."""
        code = self.code is None or self.code.same
        parted = any(each.step is not None for each in self.curves)
        apart = any(not each.equal and not each.problem for each in self.weights)
        moved = self.only_before or self.only_after
        return code and not (self.config or self.data or moved or parted or apart)
