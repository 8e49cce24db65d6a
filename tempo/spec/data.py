"""Define the data sets that a run can train and be evaluated on, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field, field_validator, model_validator

from tempo.core.budget_course import Ramp
from tempo.spec.options import (
    MOST_CLIPS,
    MOST_STEPS,
    NOT_RESULT,
    ListOf,
    Names,
    Options,
    Section,
    Size,
    Slot,
    check_untils,
    kinds,
    register,
    slot_of,
)
from tempo.spec.published_data import Vimeo90k, Vimeo90kSeptuplet, X4k1000fps

_Pixels = Annotated[float, Field(ge=0, le=1024)]
"""A displacement between the outer frames of a rendered clip."""


class MotionRange(Section):
    """A range of motion that training keeps to until a fraction of the budget is spent."""

    until: float = Field(gt=0, lt=1, description="fraction of the budget at which the range ends")
    motion: Annotated[tuple[float, float], ListOf] = Field(
        description="least and most displacement between the outer frames, in px"
    )


class Procedural(Options):
    """Photographs cut into moving layers, rendered exactly at any time. Needs no download.

    `motion` bounds the displacement of a layer between the two outer frames, in pixels; training
    may keep to parts of that range at first, by the fastest layer of a clip (`progressive_motion`).
    `target_times: any` draws training targets from the open interval between the anchors;
    validation and test targets sit in the middle.
    """

    kind: Literal["procedural"] = "procedural"
    size: Size = Field((256, 256), description="height and width of a frame, in pixels")
    motion: Annotated[tuple[_Pixels, _Pixels], ListOf] = Field(
        (0.0, 24.0),
        description="least and most displacement between the outer frames, in px",
    )
    progressive_motion: Annotated[tuple[MotionRange, ...], ListOf] = Field(
        (), description="parts of that range for the first parts of the budget, in training"
    )
    train_clips: int = Field(4096, ge=1, le=MOST_CLIPS, description="clips of the training split")
    val_clips: int = Field(64, ge=1, le=MOST_CLIPS, description="clips of the validation split")
    test_clips: int = Field(128, ge=1, le=MOST_CLIPS, description="clips of the test split")
    target_times: Literal["middle", "any"] = Field(
        "middle",
        description="training targets: in the middle, or four times of each clip",
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="of the clips themselves; runs have seeds of their own"
    )

    @field_validator("motion")
    @classmethod
    def _rising(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"motion is the least, then the most displacement, not {list(value)}")
        return value

    @model_validator(mode="after")
    def _inside(self) -> Procedural:
        check_untils("progressive_motion", [each.until for each in self.progressive_motion])
        low, high = self.motion
        # Levels of motion are spread evenly: no gap between neighbours is wider than this.
        gap = 2 * (high - low) / self.train_clips
        for each in self.progressive_motion:
            first, last = each.motion
            if not low <= first <= last <= high:
                raise ValueError(
                    f"progressive_motion: a range lies within motion, {low:g} to {high:g} px, and "
                    f"rises; {first:g} to {last:g} does not"
                )
            if last - first < gap:
                raise ValueError(
                    f"progressive_motion: {first:g} to {last:g} px may hold no clip: with "
                    f"{self.train_clips} training clips from {low:g} to {high:g} px, a range is at "
                    f"least {gap:.3g} px wide"
                )
        return self


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
    stride: int = Field(
        1, ge=1, le=10_000, description="frames between an anchor and the middle of the clip"
    )
    every: int = Field(
        3, ge=1, le=MOST_STEPS, description="distance between the first frames of two clips"
    )
    target_times: Literal["middle", "any"] = Field(
        "middle",
        description="training targets: half-way, or each frame between (stride 2 or more)",
    )
    static: float = Field(
        0.5,
        ge=0,
        le=255,
        description="a clip that changes less is left out; grey levels of 255",
    )
    cut: float = Field(
        36.0,
        gt=0,
        le=255,
        description="a clip with a larger change is left out; grey levels of 255",
    )
    val: Names = Field(
        (),
        description="sources of the validation split, by name or by a pattern such as `night_*`; "
        "none: a hash of names chooses",
    )
    test: Names = Field(
        (),
        description="sources of the test split, by name or by a pattern such as `*`, which is all; "
        "none: a hash of names chooses",
    )
    test_share: float = Field(
        0.1, gt=0, lt=1, description="share of the sources that test gets where it names none"
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


DATASETS = kinds("data set", Procedural, Video, Frames, Vimeo90k, Vimeo90kSeptuplet, X4k1000fps)


class MixturePart(Section):
    """One data set of a mixture. `name` is needed where two parts are of one kind.

    Its weight is 0 before `start` (a fraction of the budget), then goes from `weight` in a line to
    `final` at the end of the budget.
    """

    data: Annotated[Slot, slot_of(DATASETS)] = Field(
        description="the data set: a name or a mapping with its options"
    )
    weight: float = Field(1.0, ge=0, description="share of an epoch, relative to the other parts")
    final: float | None = Field(
        None, ge=0, description="weight at the end of the budget; null keeps the weight"
    )
    name: str = Field("", description="needed where two parts are of one kind; empty is the kind")
    start: float = Field(
        0.0, ge=0, lt=1, description="fraction of the budget before which nothing of it is seen"
    )

    @field_validator("data")
    @classmethod
    def _single(cls, value: Options) -> Options:
        if isinstance(value, Mixture | Separate):
            raise ValueError(  # noqa: TRY004 (pydantic gives a ValueError its place)
                f"a mixture has single data sets as its parts, not mixtures or other combinations "
                f"such as {value.kind!r}"
            )
        return value

    @property
    def label(self) -> str:
        """Return the name of the part's clips and random streams."""
        return self.name or self.data.kind

    @property
    def ramp(self) -> Ramp:
        """The weight over the budget."""
        return Ramp(self.weight, self.final, self.start)


class Mixture(Options):
    """Several data sets trained on as one. An epoch is as long as all of them together, and holds
    each in the share of its `weight`; validation and test see every clip of every part once.

    A part with a `start` is left out before that fraction of the budget: rendered clips first,
    then real ones. Weights may change over the budget, too. How long an epoch is does not depend
    on it."""

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
        for part in value:
            if not (part.weight or part.final):
                raise ValueError(
                    f"the part {part.label!r} of the mixture has no weight, so nothing of it is "
                    "ever seen: leave it out, or give it a `weight` or a `final` above 0"
                )
        if value and not sum(part.ramp.at(0.0) for part in value):
            starts = [part.start for part in value]
            raise ValueError(
                f"a mixture needs a part to begin with, one with `start: 0` and a weight above 0, "
                f"but its parts start at {starts}"
            )
        if value and not sum(part.ramp.end for part in value):
            raise ValueError(
                "a mixture needs a part to end with, but the weight of each is 0 at the end of the "
                "budget: give one a `final` above 0, or none"
            )
        return value


class Separate(Options):
    """A data set of its own for each split: training on one, judging on another.

    Of each data set only the split of that name is used: the training clips of `train`, the
    validation clips of `val`, the test clips of `test`. What is judged, and so the protocol of
    every number, is `test` alone: variants that differ in `train` stand in one table. No video or
    sequence may be on two sides, which is checked before anything is trained.
    """

    kind: Literal["separate"] = "separate"
    train: Annotated[Slot, slot_of(DATASETS)] = Field(
        description="the data set whose training clips are learned from"
    )
    val: Annotated[Slot, slot_of(DATASETS)] | None = Field(
        None, description="the data set whose validation clips are used; null is that of `train`"
    )
    test: Annotated[Slot, slot_of(DATASETS)] = Field(
        description="the data set whose test clips everything is judged on"
    )

    @field_validator("train", "val", "test")
    @classmethod
    def _not_separate(cls, value: Options | None) -> Options | None:
        if isinstance(value, Separate):
            raise ValueError(  # noqa: TRY004 (pydantic gives a ValueError its place)
                "each split names a single data set or a mixture, not `separate` once more"
            )
        return value


register(DATASETS, Mixture, Separate)


def data_of(options: Options, split: str) -> Options:
    """Return the data set that a split's clips are taken from: `options`, but for `separate`."""
    if not isinstance(options, Separate):
        return options
    if split == "val" and options.val is None:
        return options.train
    return cast(Options, getattr(options, split))


def trained_on(options: Options, judged: Options) -> Separate:
    """Return a data set with the training clips of `options` and the other splits of `judged`."""
    return Separate(
        train=data_of(options, "train"), val=data_of(judged, "val"), test=data_of(judged, "test")
    )


def recorded_data(data: Mapping[str, Any], split: str) -> Mapping[str, Any]:
    """Return the data set that a split's clips are taken from, as `data_of` does, from JSON."""
    if data["kind"] != "separate":
        return data
    found: Mapping[str, Any] = data[split] or data["train"]
    return found


def views_of(data: Options) -> int:
    """Return the number of frames that a clip of a data set shows to the network."""
    if isinstance(data, Separate):
        return max(views_of(data_of(data, split)) for split in ("train", "val", "test"))
    if isinstance(data, Mixture):
        return max(views_of(part.data) for part in data.parts)
    inputs = getattr(data, "inputs", None)
    return len(inputs) if isinstance(inputs, tuple) else 2


def any_time(data: Options) -> bool:
    """Return whether a data set has training targets at other times than the middle."""
    data = data_of(data, "train")
    if isinstance(data, Mixture):
        return any(any_time(part.data) for part in data.parts)
    return getattr(data, "target_times", "middle") == "any"


def shortest_side(data: Options) -> int | None:
    """Return the pixels of the shorter side of training pictures; None where a spec has no size."""
    data = data_of(data, "train")
    parts = [part.data for part in data.parts] if isinstance(data, Mixture) else [data]
    sizes = [size for part in parts if isinstance(size := getattr(part, "size", None), tuple)]
    return min(map(min, sizes), default=None)
