"""Define the published data sets that a run can train and be evaluated on, with their options."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tempo.spec.options import (
    MOST_CLIPS,
    NOT_RESULT,
    ListOf,
    Names,
    Options,
    Section,
    Size,
    check_untils,
)

SEPTUPLET = 7

NAME = Field("", description="what these pictures are called; part of the identity")
"""Tells apart two folders of one layout, such as an archive and a noisy copy of it."""


class Vimeo90k(Options):
    """Vimeo-90K triplets (Xue et al. 2019) in their published layout.

    The published test list is the test split. `val_clips` sequences are held out of the training
    list, chosen by a hash of their names so that the choice never depends on the list's order.
    """

    kind: Literal["vimeo90k"] = "vimeo90k"
    name: str = NAME
    root: str = Field(
        "${TEMPO_DATASETS:-datasets}/vimeo_triplet",
        json_schema_extra=NOT_RESULT,
        description="folder of the published archive",
    )
    val_clips: int = Field(
        512, ge=1, le=MOST_CLIPS, description="training sequences held out for validation"
    )
    test_limit: int | None = Field(
        None, ge=1, description="first clips of the test list that are used; null is all"
    )


class Vimeo90kSeptuplet(Options):
    """Vimeo-90K septuplets (Xue et al. 2019): `inputs` are shown, counted from 1.

    The target is frame 4 or, in training with `target_times: any`, every frame between the outer
    inputs that is not shown. Splits are made as for the triplets.
    """

    kind: Literal["vimeo90k_septuplet"] = "vimeo90k_septuplet"
    name: str = NAME
    root: str = Field(
        "${TEMPO_DATASETS:-datasets}/vimeo_septuplet",
        json_schema_extra=NOT_RESULT,
        description="folder of the published archive",
    )
    inputs: Annotated[tuple[int, ...], ListOf] = Field(
        (1, 3, 5, 7), description="numbers of the frames that the network sees, around frame 4"
    )
    target_times: Literal["middle", "any"] = Field(
        "middle",
        description="training targets: frame 4, or each frame between the outer ones",
    )
    val_clips: int = Field(
        512, ge=1, le=MOST_CLIPS, description="training sequences held out for validation"
    )
    test_limit: int | None = Field(
        None, ge=1, description="first clips of the test list that are used; null is all"
    )

    @field_validator("inputs")
    @classmethod
    def _inside(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        rising = all(one < other for one, other in pairwise(value))
        if len(value) < 2 or not rising or value[0] < 1 or value[-1] > SEPTUPLET:
            raise ValueError(f"inputs are two or more rising numbers of 1 to 7, not {list(value)}")
        middle = (SEPTUPLET + 1) // 2
        if middle in value or not value[0] < middle < value[-1]:
            raise ValueError(f"inputs surround frame {middle} and leave it out: {list(value)}")
        return value


class Spacing(Section):
    """A spacing that training keeps to until a fraction of the budget is spent."""

    until: float = Field(gt=0, lt=1, description="fraction of the budget at which the spacing ends")
    spacing: int = Field(ge=2, le=64, description="frames from one anchor to the other")


class X4k1000fps(Options):
    """X-TRAIN of X4K1000FPS (Sim et al. 2021): sequences of 65 frames at 1000 frames a second.

    The anchors of a clip are `spacing` frames apart, at a random start in training; one cache
    serves every spacing, so that it can be a factor. Validation and test show the central window
    of held-out scenes with its middle frame. `size` other than 768 x 768 makes pictures smaller
    (bicubic): at full size the cache takes 115 MB a sequence.
    """

    kind: Literal["x4k1000fps"] = "x4k1000fps"
    name: str = NAME
    root: str = Field(
        "${TEMPO_DATASETS:-datasets}/x4k1000fps/train",
        json_schema_extra=NOT_RESULT,
        description="folder of the decoded training sequences",
    )
    spacing: int = Field(32, ge=2, le=64, description="frames from one anchor to the other")
    progressive_spacing: Annotated[tuple[Spacing, ...], ListOf] = Field(
        (), description="other spacings for the first parts of the budget, in training"
    )
    target_times: Literal["middle", "any"] = Field(
        "any",
        description="training targets: half-way, or each frame between the anchors",
    )
    size: Size = Field((768, 768), description="height and width of a frame, in pixels")
    val: Names = Field(
        (),
        description="scenes of the validation split, names or patterns; none: a hash chooses",
    )
    test: Names = Field(
        (),
        description="scenes of the test split, names or patterns; none: a hash of names chooses",
    )
    limit: int | None = Field(None, ge=1, description="most sequences taken from one scene")

    @model_validator(mode="after")
    def _halves(self) -> X4k1000fps:
        check_untils("progressive_spacing", [each.until for each in self.progressive_spacing])
        for spacing in (self.spacing, *(each.spacing for each in self.progressive_spacing)):
            if self.target_times == "middle" and spacing % 2:
                raise ValueError(
                    f"target_times: middle needs an even spacing, not {spacing}: choose "
                    f"{spacing - 1} or {spacing + 1}, or target_times: any"
                )
        return self
