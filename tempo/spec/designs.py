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


MOST_VALUES = 1_000_000
"""Values of a range with a step."""


class Range(Section):
    """An interval to draw levels from. `log`: evenly on a logarithmic scale."""

    low: float = Field(description="smallest value")
    high: float = Field(description="largest value")
    log: bool = Field(False, description="evenly on a logarithmic scale")
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
        if (self.high - self.low) / self.step > MOST_VALUES:
            raise ValueError(
                f"a step of {self.step:g} makes more than {MOST_VALUES:,} values from "
                f"{self.low:g} to {self.high:g}; leave it out for a range without steps"
            )
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

    path: str | None = Field(
        None,
        description="dotted path of the field that is varied; null: levels set several fields",
    )
    levels: dict[str, Any] = Field(
        default_factory=dict,
        description="label to value; without a path, label to a mapping of paths to values",
    )
    range: Range | None = Field(
        None, description="an interval instead of levels, for `sobol` and searches"
    )
    only: Annotated[tuple[Label, ...], ListOf] = Field(
        (), description="labels of the levels in use; none is all"
    )
    when: When = Field(
        default_factory=dict, description="levels of other factors under which this one applies"
    )
    when_level: dict[str, When] = Field(
        default_factory=dict, description="the same for single levels of this factor"
    )

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

    levels: dict[str, Label] = Field(
        default_factory=dict, description="factor to the label of its level"
    )
    set: dict[str, Any] = Field(
        default_factory=dict,
        description="dotted path or section to the value it gets; wins over levels",
    )


class Exclude(Section):
    """Combinations ruled out: those whose levels are all among the given ones."""

    levels: When = Field(
        min_length=1,
        description="factor to one label or several; combinations of these are left out",
    )
    reason: str = Field(min_length=1, description="why, for the plan and the report")


Factors = Annotated[tuple[Label, ...], ListOf, Field(min_length=1)]


class DesignOptions(Options):
    """What every kind of design can be asked.

    `match` makes each of its variants as wide (`arch.base_channels`) as it takes to have the
    parameters, the multiply-accumulates or the time of a step of the variant `match_to` (the
    study's baseline, when it is not given), within 2 %.
    """

    match: Literal["parameters", "macs", "step_time"] | None = Field(
        None, description="cost in which each variant equals `match_to`, by its width"
    )
    match_to: Label | None = Field(
        None, description="the variant whose cost counts; null is the baseline"
    )


class Factorial(DesignOptions):
    """Every combination of the levels of `factors`."""

    kind: Literal["factorial"] = "factorial"
    factors: Factors = Field(description="names of the factors to combine")


class Fractional(DesignOptions):
    """The smallest regular two-level fraction of at least this resolution (Box and Hunter 1961).

    At resolution 3 main effects are clear of each other, at 4 also of two-factor interactions, at
    5 the two-factor interactions are clear of each other too. The plan names what is aliased.
    """

    kind: Literal["fractional"] = "fractional"
    factors: Factors = Field(description="names of factors with two levels each")
    resolution: Literal[3, 4, 5] = Field(
        4, description="how far effects are kept apart from each other"
    )


class OneFactor(DesignOptions):
    """The baseline, and each other level of each factor alone against it.

    `baseline` gives factors their level in the baseline; for the others the study counts as it is.
    """

    kind: Literal["one_factor"] = "one_factor"
    factors: Factors = Field(description="names of the factors to change, one at a time")
    baseline: dict[str, Label] = Field(
        default_factory=dict, description="factor to its level in the baseline"
    )
    name: str = Field(
        "baseline", min_length=1, max_length=300, description="what the baseline is called"
    )


class Zip(DesignOptions):
    """The first levels of all factors together, the second levels together, and so on."""

    kind: Literal["zip"] = "zip"
    factors: Factors = Field(description="names of factors with equally many levels")


class Sobol(DesignOptions):
    """`points` of a Sobol sequence over the factors' levels and ranges.

    Ranges are covered evenly; a digital shift by `seed` keeps the first point off the corner.
    """

    kind: Literal["sobol"] = "sobol"
    factors: Factors = Field(description="names of the factors to spread points over")
    points: int = Field(ge=1, le=65536, description="how many variants")
    seed: int = Field(0, ge=0, description="of the shift of the sequence")


class VariantList(DesignOptions):
    """The named variants of the study: those listed, or all."""

    kind: Literal["list"] = "list"
    variants: Annotated[tuple[Label, ...], ListOf] = Field(
        (), description="names of variants; none is all"
    )


class Between(DesignOptions):
    """A way between two named variants, or presets of the architecture.

    Each field in which they differ is a part, named by its last key: `arch.se` is `se`. `parts`
    names groups of fields that change together, as a list of paths or of sections.
    """

    start: Label = Field(description="named variant or preset at one end")
    end: Label = Field(description="named variant or preset at the other end")
    parts: dict[str, Annotated[tuple[str, ...], ListOf]] = Field(
        default_factory=dict, description="name to the fields or sections that change together"
    )


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
    order: Literal["greedy"] | Annotated[tuple[Label, ...], ListOf, Field(min_length=1)] = Field(
        description="names of the parts from first to last, or greedy"
    )


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
