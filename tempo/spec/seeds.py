"""Define the seeds of a study: a count, a list, or as many as its contrasts need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import (
    Field,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from tempo.core.seed_stages import DECIDED, FEWEST, SeedStages
from tempo.spec.options import MappingForm, Section
from tempo.spec.yaml.value_tree import shown

MOST = 10_000
"""Seeds of a variant."""

FORMS = "a count, a list of whole numbers, or a mapping with `from` and `to`"


class AdaptiveSeeds(Section):
    """Seeds are added, `by` at a time, to the variants whose contrasts are undecided.

    Every variant gets the seeds 0 to `from` - 1 first. Then the study looks, and goes on until
    every contrast is decided, cannot become decided, or has `to` seeds.
    """

    first: int = Field(alias="from", description="seeds that every variant gets")
    to: int = Field(le=MOST, description="most seeds of a variant")
    by: int = Field(1, ge=1, le=MOST, description="seeds that are added at a time")
    until: Literal["decided"] = Field(DECIDED, description="what ends it: a verdict")

    @model_validator(mode="after")
    def _rising(self) -> AdaptiveSeeds:
        if self.first < FEWEST:
            raise ValueError(
                f"seeds.from is at least {FEWEST}, not {self.first}: with fewer seeds no contrast "
                "can be decided, so the first look would be wasted"
            )
        if self.to <= self.first:
            raise ValueError(
                f"seeds.to is above seeds.from ({self.first}), not {self.to}; for the same number "
                f"of seeds everywhere write `seeds: {self.first}`"
            )
        return self


class StagedSeeds(tuple[int, ...]):
    """All seeds that a variant may get, in order, with the stages in which it gets them."""

    stages: SeedStages

    def __new__(cls, stages: SeedStages) -> StagedSeeds:
        seeds = super().__new__(cls, range(stages.last))
        seeds.stages = stages
        return seeds

    def __getnewargs__(self) -> tuple[SeedStages]:
        return (self.stages,)


def read_seeds(value: Any, listed: ValidatorFunctionWrapHandler) -> tuple[int, ...]:
    """Return the seeds that a spec's `seeds` means: n stands for the seeds 0 to n - 1."""
    if isinstance(value, StagedSeeds):
        return value
    if isinstance(value, Mapping):
        given = AdaptiveSeeds.model_validate(dict(value))
        return StagedSeeds(SeedStages(first=given.first, last=given.to, step=given.by))
    if type(value) is int:
        if not 1 <= value <= MOST:
            raise ValueError(f"seeds is a count from 1 to {MOST:,} or a list, not {shown(value)}")
        return tuple(range(value))
    if not isinstance(value, list | tuple):
        raise ValueError(  # noqa: TRY004 (pydantic gives a ValueError its place)
            f"seeds is {FORMS}, not {value!r}"
        )
    seeds: tuple[int, ...] = listed(tuple(value))
    if not seeds or len(set(seeds)) != len(seeds) or not 0 <= min(seeds) <= max(seeds) < 2**63:
        raise ValueError(
            f"seeds are distinct whole numbers from 0 to 2**63 - 1, not {shown(list(seeds))}"
        )
    return seeds


def _as_written(seeds: tuple[int, ...]) -> Any:
    """Return the seeds as JSON values: a list, or the stages as a mapping."""
    stages = stages_of(seeds)
    return list(seeds) if stages is None else stages.to_json()


def stages_of(seeds: tuple[int, ...]) -> SeedStages | None:
    """Return the stages of adaptive seeds; None for a count or a list."""
    return seeds.stages if isinstance(seeds, StagedSeeds) else None


SeedForms = (
    WrapValidator(read_seeds, json_schema_input_type=int | list[int] | AdaptiveSeeds),
    PlainSerializer(_as_written),
    MappingForm(AdaptiveSeeds),
)
"""Annotates the field of a study's seeds, which is a tuple of whole numbers for every reader."""
