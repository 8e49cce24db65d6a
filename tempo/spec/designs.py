"""Define a spec's factors, named variants, exclusions and designs."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from tempo.spec.options import Label, ListOf, Options, Section, kinds, slot_of


def _one_or_many(value: Any) -> Any:
    return (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    )


Labels = Annotated[
    tuple[Label, ...],
    BeforeValidator(_one_or_many, json_schema_input_type=Label | list[Label]),
    Field(min_length=1),
]
"""One label, or a list of them."""

When = dict[str, Labels]
"""A condition: for each named factor, the levels under which something applies."""


class Range(Section):
    """An interval to draw levels from. `log`: evenly on a logarithmic scale."""

    low: float
    high: float
    log: bool = False
    whole: bool = Field(False, description="only whole numbers")
    step: float | None = Field(None, gt=0, description="only low, low + step, low + 2 step ...")

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"a range needs low < high, not {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low > 0, not {self.low:g}")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError("a range of whole numbers needs whole bounds")
        return self

    @model_validator(mode="after")
    def _stepped(self) -> Range:
        if self.step is None:
            return self
        if self.log:
            raise ValueError("a logarithmic range has no step")
        if self.whole and not self.step.is_integer():
            raise ValueError(f"a range of whole numbers needs a whole step, not {self.step:g}")
        if self.step > self.high - self.low:
            raise ValueError(f"a step of {self.step:g} is wider than the range")
        return self

    def at(self, share: float) -> float | int:
        """Return the value at a share in [0, 1) of the range, to four significant digits."""
        if self.step is not None:
            steps = math.floor((self.high - self.low) / self.step * (1 + 1e-12))
            value = self.low + self.step * int(share * (steps + 1))
            return int(value) if self.whole else float(f"{value:.10g}")
        if self.whole:
            return int(self._between(share, self.low, self.high + 1))
        return float(f"{self._between(share, self.low, self.high):.4g}")

    def _between(self, share: float, low: float, high: float) -> float:
        if self.log:
            return math.exp(math.log(low) + share * math.log(high / low))
        return low + share * (high - low)


class Factor(Section):
    """A thing varied. `levels` maps a label to the value set at `path`.

    Without `path`, each level maps dotted paths to values, so one level can set several fields.
    `only` names the levels in use; a profile can so leave some out. `range` stands in for levels
    where a design draws values itself.

    `when` says under which levels of other factors this one applies at all, `when_level` the same
    for single levels. A factor that does not apply is left out of the combination.
    """

    path: str | None = None
    levels: dict[str, Any] = Field(default_factory=dict)
    range: Range | None = None
    only: Annotated[tuple[Label, ...], ListOf] = ()
    when: When = Field(default_factory=dict)
    when_level: dict[str, When] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _levels_or_range(self) -> Factor:
        if bool(self.levels) == (self.range is not None):
            raise ValueError("a factor has either `levels` (at least one) or a `range`")
        if self.range is not None and self.path is None:
            raise ValueError("a factor with a `range` needs a `path`")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the levels in use, in the order they were written."""
        return self.only or tuple(self.levels)


class Variant(Section):
    """One named assignment: `levels` picks factor levels, `set` overlays fields directly."""

    levels: dict[str, Label] = Field(default_factory=dict)
    set: dict[str, Any] = Field(default_factory=dict)


class Exclude(Section):
    """Combinations ruled out: those whose levels are all among the given ones."""

    levels: When = Field(min_length=1)
    reason: str = Field(min_length=1)


Factors = Annotated[tuple[Label, ...], ListOf, Field(min_length=1)]


class DesignOptions(Options):
    """What every kind of design can be asked.

    `match` makes each of its variants as wide (`arch.base_channels`) as it takes to have the
    parameters, the multiply-accumulates or the time of a step of the variant `match_to` (the
    study's baseline, when it is not given), within 2 %.
    """

    match: Literal["parameters", "macs", "step_time"] | None = None
    match_to: Label | None = None


class Factorial(DesignOptions):
    """Every combination of the levels of `factors`."""

    kind: Literal["factorial"] = "factorial"
    factors: Factors


class Fractional(DesignOptions):
    """The smallest regular two-level fraction of at least this resolution (Box and Hunter 1961).

    At resolution 3 main effects are clear of each other, at 4 also of two-factor interactions, at
    5 the two-factor interactions are clear of each other too. The plan names what is aliased.
    """

    kind: Literal["fractional"] = "fractional"
    factors: Factors
    resolution: Literal[3, 4, 5] = 4


class OneFactor(DesignOptions):
    """The baseline, and each other level of each factor alone against it.

    `baseline` gives factors their level in the baseline; for the others the study counts as it is.
    """

    kind: Literal["one_factor"] = "one_factor"
    factors: Factors
    baseline: dict[str, Label] = Field(default_factory=dict)
    name: str = Field("baseline", min_length=1, max_length=300)


class Zip(DesignOptions):
    """The first levels of all factors together, the second levels together, and so on."""

    kind: Literal["zip"] = "zip"
    factors: Factors


class Sobol(DesignOptions):
    """`points` of a Sobol sequence over the factors' levels and ranges.

    Ranges are covered evenly; a digital shift by `seed` keeps the first point off the corner.
    """

    kind: Literal["sobol"] = "sobol"
    factors: Factors
    points: int = Field(ge=1, le=65536)
    seed: int = Field(0, ge=0)


class VariantList(DesignOptions):
    """The named variants of the study: those listed, or all."""

    kind: Literal["list"] = "list"
    variants: Annotated[tuple[Label, ...], ListOf] = ()


class Between(DesignOptions):
    """A way between two named variants, or presets of the architecture.

    Each field in which they differ is a part, named by its last key: `arch.se` is `se`. `parts`
    names groups of fields that change together, as a list of paths or of sections.
    """

    start: Label
    end: Label
    parts: dict[str, Annotated[tuple[str, ...], ListOf]] = Field(default_factory=dict)


class LeaveOneOut(Between):
    """`end` without one part at a time, and both ends."""

    kind: Literal["leave_one_out"] = "leave_one_out"


class AddOneIn(Between):
    """`start` with one part of `end` at a time, and both ends."""

    kind: Literal["add_one_in"] = "add_one_in"


class Ladder(Between):
    """From `start` to `end`, adding the parts one by one in the given order.

    In a `greedy` order each rung is the part that gains the most over the rung before, by the mean
    validation PSNR over the seeds: the candidates for a rung are planned once the rung before is
    measured.
    """

    kind: Literal["ladder"] = "ladder"
    order: Literal["greedy"] | Annotated[tuple[Label, ...], ListOf, Field(min_length=1)]


DESIGNS = kinds(
    "design",
    Factorial,
    Fractional,
    OneFactor,
    LeaveOneOut,
    AddOneIn,
    Ladder,
    VariantList,
    Zip,
    Sobol,
)

Design = Annotated[SerializeAsAny[Options], slot_of(DESIGNS)]
