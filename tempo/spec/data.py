"""Define the data sets that a run can train and be evaluated on, with their options."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tempo.spec.options import (
    NOT_RESULT,
    Label,
    ListOf,
    Options,
    Section,
    Slot,
    kinds,
    register,
    slot_of,
)

Size = Annotated[tuple[int, int], ListOf]
"""(height, width) in pixels."""
Names = Annotated[tuple[Label, ...], ListOf]

SEPTUPLET = 7


class Procedural(Options):
    """Photographs cut into moving layers, rendered exactly at any time. Needs no download.

    `motion` bounds the displacement of a layer between the two outer frames, in pixels.
    `target_times: any` draws training targets from the open interval between the anchors;
    validation and test targets sit in the middle.
    """

    kind: Literal["procedural"] = "procedural"
    size: Size = Field((256, 256), description="height and width of a frame, in pixels")
    motion: Annotated[tuple[float, float], ListOf] = Field(
        (0.0, 24.0),
        description="least and most displacement between the outer frames, in px",
    )
    train_clips: int = Field(4096, ge=1, description="clips of the training split")
    val_clips: int = Field(64, ge=1, description="clips of the validation split")
    test_clips: int = Field(128, ge=1, description="clips of the test split")
    target_times: Literal["middle", "any"] = Field(
        "middle",
        description="training targets: in the middle, or four times of each clip",
    )
    seed: int = Field(0, ge=0, description="of the clips themselves; runs have seeds of their own")


class Footage(Options):
    """What video files and folders of numbered pictures have in common.

    Clips are split by source, so that none appears on two sides. The anchors of a clip are
    2 `stride` frames apart; its target is the frame half-way or, in training with
    `target_times: any`, each frame between them at its own time. Clips are skipped when their
    frames are cut apart (`cut`), hardly move (`static`) or, with targets in the middle, are
    unevenly spaced in time. Both thresholds are mean absolute differences of 8-bit luma, of the
    frames made 112 x 64 pixels small: `cut` between neighbouring frames, `static` between a target
    and an outer one.

    `root` may hold `${NAME:-default}`. Where it lies cannot change a result, so it is no part of a
    run's identity: what is in it is, through the digests in the record. `name` tells apart runs on
    two folders that a spec uses with the same options.
    """

    name: str = Field("", description="what these pictures are called; part of the identity")
    root: str = Field(
        json_schema_extra=NOT_RESULT, description="folder that is searched, with its sub-folders"
    )
    size: Size = Field(
        (256, 448), description="height and width that frames are scaled and cut to, in pixels"
    )
    stride: int = Field(1, ge=1, description="frames between an anchor and the middle of the clip")
    every: int = Field(3, ge=1, description="distance between the first frames of two clips")
    target_times: Literal["middle", "any"] = Field(
        "middle",
        description="training targets: half-way, or each frame between (stride 2 or more)",
    )
    static: float = Field(
        0.5,
        ge=0,
        description="a clip that changes less is left out; grey levels of 255",
    )
    cut: float = Field(
        36.0,
        gt=0,
        description="a clip with a larger change is left out; grey levels of 255",
    )
    val: Names = Field(
        (),
        description="sources of the validation split; none: a hash of names chooses",
    )
    test: Names = Field(
        (),
        description="sources of the test split; none: a hash of names chooses",
    )
    limit: int | None = Field(None, ge=1, description="most clips taken from one source")

    @model_validator(mode="after")
    def _between(self) -> Footage:
        if self.target_times == "any" and self.stride == 1:
            raise ValueError(
                "target_times: any needs stride: 2 or more; with stride: 1 there is one frame "
                "between the anchors"
            )
        return self


class Video(Footage):
    """Clips from the video files of a folder, decoded once into a cache."""

    kind: Literal["video"] = "video"


class Frames(Footage):
    """Clips from folders of numbered pictures, one folder for each sequence."""

    kind: Literal["frames"] = "frames"


class Vimeo90k(Options):
    """Vimeo-90K triplets (Xue et al. 2019) in their published layout.

    The published test list is the test split. `val_clips` sequences are held out of the training
    list, chosen by a hash of their names so that the choice never depends on the list's order.
    """

    kind: Literal["vimeo90k"] = "vimeo90k"
    root: str = Field(
        "${TEMPO_DATASETS:-datasets}/vimeo_triplet",
        json_schema_extra=NOT_RESULT,
        description="folder of the published archive",
    )
    val_clips: int = Field(512, ge=1, description="training sequences held out for validation")
    test_limit: int | None = Field(
        None, ge=1, description="first clips of the test list that are used; null is all"
    )


class Vimeo90kSeptuplet(Options):
    """Vimeo-90K septuplets (Xue et al. 2019): `inputs` are shown, counted from 1.

    The target is frame 4 or, in training with `target_times: any`, every frame between the outer
    inputs that is not shown. Splits are made as for the triplets.
    """

    kind: Literal["vimeo90k_septuplet"] = "vimeo90k_septuplet"
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
    val_clips: int = Field(512, ge=1, description="training sequences held out for validation")
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


class X4k1000fps(Options):
    """X-TRAIN of X4K1000FPS (Sim et al. 2021): sequences of 65 frames at 1000 frames a second.

    The anchors of a clip are `spacing` frames apart, at a random start in training; one cache
    serves every spacing, so that it can be a factor. Validation and test show the central window
    of held-out scenes with its middle frame. `size` other than 768 x 768 makes pictures smaller
    (bicubic): at full size the cache takes 115 MB a sequence.
    """

    kind: Literal["x4k1000fps"] = "x4k1000fps"
    root: str = Field(
        "${TEMPO_DATASETS:-datasets}/x4k1000fps/train",
        json_schema_extra=NOT_RESULT,
        description="folder of the decoded training sequences",
    )
    spacing: int = Field(32, ge=2, le=64, description="frames from one anchor to the other")
    target_times: Literal["middle", "any"] = Field(
        "any",
        description="training targets: half-way, or each frame between the anchors",
    )
    size: Size = Field((768, 768), description="height and width of a frame, in pixels")
    val: Names = Field(
        (),
        description="scenes of the validation split; none: a hash of names chooses",
    )
    test: Names = Field(
        (),
        description="scenes of the test split; none: a hash of names chooses",
    )
    limit: int | None = Field(None, ge=1, description="most sequences taken from one scene")

    @model_validator(mode="after")
    def _halves(self) -> X4k1000fps:
        if self.target_times == "middle" and self.spacing % 2:
            raise ValueError(
                f"target_times: middle needs an even spacing, not {self.spacing}: choose "
                f"{self.spacing - 1} or {self.spacing + 1}, or target_times: any"
            )
        return self


def views_of(data: Options) -> int:
    """Return the number of frames that a clip of a data set shows to the network."""
    if isinstance(data, Mixture):
        return max(views_of(part.data) for part in data.parts)
    inputs = getattr(data, "inputs", None)
    return len(inputs) if isinstance(inputs, tuple) else 2


def any_time(data: Options) -> bool:
    """Return whether a data set has training targets at other times than the middle."""
    if isinstance(data, Mixture):
        return any(any_time(part.data) for part in data.parts)
    return getattr(data, "target_times", "middle") == "any"


DATASETS = kinds("data set", Procedural, Video, Frames, Vimeo90k, Vimeo90kSeptuplet, X4k1000fps)


class MixturePart(Section):
    """One data set of a mixture. `name` is needed where two parts are of one kind."""

    data: Annotated[Slot, slot_of(DATASETS)] = Field(
        description="the data set: a name or a mapping with its options"
    )
    weight: float = Field(1.0, gt=0, description="share of an epoch, relative to the other parts")
    name: str = Field("", description="needed where two parts are of one kind; empty is the kind")

    @field_validator("data")
    @classmethod
    def _single(cls, value: Options) -> Options:
        if isinstance(value, Mixture):
            raise ValueError(  # noqa: TRY004 (pydantic gives a ValueError its place)
                "a mixture has single data sets as its parts, not mixtures"
            )
        return value

    @property
    def label(self) -> str:
        """Return the name of the part's clips and random streams."""
        return self.name or self.data.kind


class Mixture(Options):
    """Several data sets trained on as one. An epoch is as long as all of them together, and holds
    each in the share of its `weight`; validation and test see every clip of every part once."""

    kind: Literal["mixture"] = "mixture"
    parts: Annotated[tuple[MixturePart, ...], ListOf] = Field(
        min_length=1, description="the data sets with their weights"
    )

    @field_validator("parts")
    @classmethod
    def _distinct(cls, value: tuple[MixturePart, ...]) -> tuple[MixturePart, ...]:
        labels = [part.label for part in value]
        if len(set(labels)) != len(labels):
            raise ValueError(f"the parts of a mixture need names of their own: {labels}")
        return value


register(DATASETS, Mixture)
