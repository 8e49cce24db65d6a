"""Define the `search:` section: space, objectives, sampler, pruner and budget."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tempo.spec.options import MOST_STEPS, Label, ListOf, Options, Section, Slot, kinds, slot_of
from tempo.spec.yaml.value_tree import shown

Objective = Literal["psnr", "ssim", "step_time", "parameters", "macs"]

MAXIMISED = ("psnr", "ssim")
"""Objectives of which more is better: validation metrics. The others are costs."""

BOUNDED = ("parameters", "macs", "step_time")
"""What a constraint can bound: known, or measured in a few steps, before anything is trained."""


class Tpe(Options):
    """Tree-structured Parzen estimator over all factors together (Bergstra et al. 2011)."""

    kind: Literal["tpe"] = "tpe"
    startup: int = Field(
        10, ge=0, le=1_000_000, description="random trials before the first proposal"
    )
    candidates: int = Field(
        24, ge=1, le=1_000_000, description="points that a proposal is chosen from"
    )


class Gp(Options):
    """Gaussian process with expected improvement. For few, costly trials; no conditions."""

    kind: Literal["gp"] = "gp"
    startup: int = Field(
        10, ge=1, le=1_000_000, description="random trials before the first proposal"
    )


class CmaEs(Options):
    """Covariance matrix adaptation (Hansen 2016), numeric factors only; the others are random."""

    kind: Literal["cmaes"] = "cmaes"
    startup: int = Field(
        1, ge=1, le=1_000_000, description="random trials before the first proposal"
    )


class Nsga2(Options):
    """Non-dominated sorting genetic algorithm (Deb et al. 2002), meant for several objectives."""

    kind: Literal["nsga2"] = "nsga2"
    population: int = Field(20, ge=2, le=100_000, description="trials of one generation")


class RandomSearch(Options):
    """Independent draws: what every other sampler has to beat."""

    kind: Literal["random"] = "random"


class Grid(Options):
    """Every combination once, in a shuffled order. A range is cut into `points` values."""

    kind: Literal["grid"] = "grid"
    points: int = Field(5, ge=2, le=65_536, description="values of a range without a step")


class Qmc(Options):
    """A scrambled Sobol sequence: even coverage, each point known beforehand."""

    kind: Literal["qmc"] = "qmc"


SAMPLERS = kinds("sampler", Tpe, Gp, CmaEs, Nsga2, RandomSearch, Grid, Qmc)


class Median(Options):
    """Stop a trial below the median of the trials before it at the same step."""

    kind: Literal["median"] = "median"
    startup: int = Field(5, ge=1, le=1_000_000, description="complete trials before any is stopped")
    warmup: int = Field(
        0, ge=0, le=MOST_STEPS, description="steps within which no trial is stopped"
    )


class Hyperband(Options):
    """Brackets of successive halving (Li et al. 2018), in steps."""

    kind: Literal["hyperband"] = "hyperband"
    min_steps: int | None = Field(
        None, ge=1, le=MOST_STEPS, description="null is `evaluation.val_every`"
    )
    reduction: int = Field(
        3, ge=2, le=1000, description="one trial of this many goes on to the next rung"
    )


class NoPruner(Options):
    """Every trial runs to its end."""

    kind: Literal["none"] = "none"


PRUNERS = kinds("pruner", Median, Hyperband, NoPruner)


_BOUND = re.compile(r"^\s*(\w+)\s*<=\s*([0-9.]+(?:[eE][+-]?\d+)?)\s*([kKMGT]?)\s*$")
_SCALE = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


class Bound(Section):
    """`quantity <= limit`, checked before a trial is trained."""

    quantity: Literal["parameters", "macs", "step_time"] = Field(description="what is bounded")
    limit: float = Field(gt=0, description="the largest value allowed")

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = _BOUND.match(value)
        if found is None or found[1] not in BOUNDED:
            known = ", ".join(BOUNDED)
            raise ValueError(
                f"a constraint is `<quantity> <= <number>` ({known}), not {shown(value)}"
            )
        return {"quantity": found[1], "limit": float(found[2]) * _SCALE[found[3]]}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe both forms: text such as `parameters <= 5M`, and a mapping."""
        return {"anyOf": [{"type": "string", "pattern": _BOUND.pattern}, handler(schema)]}

    def __str__(self) -> str:
        return f"{self.quantity} <= {self.limit:g}"


class SearchBudget(Section):
    """What the search may spend; whatever is reached first ends it. At least one is given."""

    trials: int | None = Field(
        None, ge=1, le=1_000_000, description="trials, those that are enqueued included"
    )
    gpu_hours: float | None = Field(None, gt=0, description="hours of devices (or CPU slots)")
    hours: float | None = Field(None, gt=0, description="hours in which a trial was running")

    @model_validator(mode="after")
    def _one(self) -> SearchBudget:
        if self.trials is None and self.gpu_hours is None and self.hours is None:
            raise ValueError("a search budget gives at least one of trials, gpu_hours, hours")
        return self


class SearchSpec(Section):
    """A search over the study's own factors.

    `seeds` of the study are the seeds of each trial: its value is their mean. With `race: z`, a
    trial stops after k of them when the mean so far is worse than the best trial's by more than z
    standard errors, the standard deviation between seeds being pooled over the trials so far.

    `enqueue` are the first trials: named variants, or levels and values of factors; what such an
    entry leaves out is as the study has it. `warm_start` names earlier studies whose finished runs
    are points of the same space.
    """

    space: Annotated[tuple[Label, ...], ListOf] = Field((), description="factors; none is all")
    objectives: Annotated[tuple[Objective, ...], ListOf] = Field(
        ("psnr",), min_length=1, description="what is optimised, on validation: one or several"
    )
    budget: SearchBudget = Field(description="what the search may spend")
    sampler: Annotated[Slot, slot_of(SAMPLERS)] = Field(
        Tpe(), description="what proposes the next trial"
    )
    pruner: Annotated[Slot, slot_of(PRUNERS)] | None = Field(
        None,
        description="what stops a trial early; null is median for one validation metric, else none",
    )
    seed: int = Field(0, ge=0, description="of the sampler; runs have the study's seeds")
    race: float | None = Field(
        2.0,
        gt=0,
        description="standard errors at which a trial has lost after its first seeds; null is off",
    )
    constraints: Annotated[tuple[Bound, ...], ListOf] = Field(
        (), description="bounds such as `parameters <= 12M`, checked before a trial is trained"
    )
    enqueue: Annotated[tuple[str | dict[str, str | float], ...], ListOf] = Field(
        (), description="first trials: names of variants, or levels and values of factors"
    )
    warm_start: Annotated[tuple[str, ...], ListOf] = Field(
        (), description="earlier studies whose complete runs count as trials"
    )
    confirm: int = Field(0, ge=0, le=1000, description="fresh seeds for the best trials; 0 is none")
    top: int = Field(1, ge=1, le=1000, description="how many of the best trials are confirmed")
    storage: str | None = Field(None, description="database URL; null is a journal file")
    heartbeat: float = Field(
        30.0, ge=1, description="seconds of silence after which a trial is taken over"
    )

    @field_validator(
        "objectives",
        "space",
        "warm_start",
        mode="before",
        json_schema_input_type=Label | list[Label],
    )
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("objectives")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"objectives are named once each, not {list(value)}")
        return value

    @field_validator("enqueue", mode="before")
    @classmethod
    def _whole_numbers(cls, value: Any) -> Any:
        """Turn whole numbers into floats; strict validation would accept neither text nor float."""
        if not isinstance(value, list | tuple):
            return value
        return tuple(_as_floats(each) for each in value)

    @model_validator(mode="after")
    def _prunes_one_curve(self) -> SearchSpec:
        pruner = self.pruner
        if pruner is None or isinstance(pruner, NoPruner):
            return self
        if len(self.objectives) > 1 or self.objectives[0] not in MAXIMISED:
            raise ValueError(
                f"a pruner follows one validation metric ({' or '.join(MAXIMISED)}), and the "
                f"objectives are {', '.join(self.objectives)}; write `pruner: none`"
            )
        return self

    @property
    def curve(self) -> str | None:
        """Return the validation metric that pruning follows; None when nothing is pruned."""
        single = len(self.objectives) == 1 and self.objectives[0] in MAXIMISED
        return None if not single or isinstance(self.pruner, NoPruner) else self.objectives[0]


def _as_floats(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: float(v) if type(v) is int else v for k, v in value.items()}
