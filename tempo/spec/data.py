"""Which clips a run learns from and is judged on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tempo.spec.options import NOT_RESULT, ListOf, Options, kinds

Size = Annotated[tuple[int, int], ListOf]
"""(height, width) in pixels."""


class Procedural(Options):
    """Photographs cut into moving layers, rendered exactly at any time. Needs no download.

    `motion` bounds the displacement of a layer between the two outer frames, in pixels.
    `target_times: any` draws training targets from the open interval between the anchors;
    validation and test targets sit in the middle.
    """

    kind: Literal["procedural"] = "procedural"
    size: Size = (256, 256)
    motion: Annotated[tuple[float, float], ListOf] = (0.0, 24.0)
    train_clips: int = Field(4096, ge=1)
    val_clips: int = Field(64, ge=1)
    test_clips: int = Field(128, ge=1)
    target_times: Literal["middle", "any"] = "middle"
    seed: int = Field(0, ge=0)


class Video(Options):
    """Triplets from the video files of a folder, decoded once into a cache.

    Clips are split by file, so that no source appears on two sides. Triplets whose frames are
    cut apart (`cut`) or hardly move (`static`) are skipped; both are mean absolute differences of
    8-bit luma, of the frames made 112 x 64 pixels small: `cut` between neighbouring frames,
    `static` between the middle frame and an outer one. `root` may hold `${NAME:-default}`.
    """

    kind: Literal["video"] = "video"
    root: str
    size: Size = (256, 448)
    stride: int = Field(1, ge=1)
    every: int = Field(3, ge=1, description="distance between the first frames of two triplets")
    static: float = Field(0.5, ge=0)
    cut: float = Field(36.0, gt=0)
    val: Annotated[tuple[str, ...], ListOf] = ()
    test: Annotated[tuple[str, ...], ListOf] = ()
    limit: int | None = Field(None, ge=1, description="most triplets taken from one file")


class Vimeo90k(Options):
    """Vimeo-90K triplets (Xue et al. 2019) in their published layout.

    The published test list is the test split. `val_clips` sequences are held out of the training
    list, chosen by a hash of their names so that the choice never depends on the list's order.
    """

    kind: Literal["vimeo90k"] = "vimeo90k"
    root: str = Field("datasets/vimeo_triplet", json_schema_extra=NOT_RESULT)
    val_clips: int = Field(512, ge=1)
    test_limit: int | None = Field(None, ge=1)


DATASETS = kinds("data set", Procedural, Video, Vimeo90k)
