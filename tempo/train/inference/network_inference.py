"""Run a network outside training: choose its device, precision and overlapping tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, unflatten

from tempo.core.errors import SpecError
from tempo.models.padding import STRIDE, pad_to_stride, unpad
from tempo.spec.recipe import Runtime
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.evaluation.methods import Method
from tempo.train.hardware.device import Precision, available_cores, configure, pick_device
from tempo.train.hardware.device import precision as make_precision
from tempo.train.inference.test_time_augmentation import (
    MEANING,
    Augmentation,
    augmented,
    check_augmentation,
)

SMALLEST = 8 * STRIDE


@dataclass(frozen=True, slots=True)
class Tiling:
    """Square tiles of `side` pixels, neighbours sharing at least `overlap` of them.

    Raises:
        SpecError: unless both are multiples of the network's stride and fit into each other.
    """

    side: int
    overlap: int

    def __post_init__(self) -> None:
        if self.side % STRIDE or self.side < SMALLEST:
            raise SpecError(
                f"a tile's side is a multiple of {STRIDE} (the network's deepest stride) from "
                f"{SMALLEST}, not {self.side}"
            )
        if self.overlap % STRIDE or not STRIDE <= self.overlap <= self.side // 2:
            raise SpecError(
                f"the overlap of tiles is a multiple of {STRIDE} from {STRIDE} to half their side "
                f"({self.side // 2}), not {self.overlap}"
            )

    def __str__(self) -> str:
        return (
            f"tiles of {self.side} with an overlap of {self.overlap} px, blended by raised cosines"
        )

    def starts(self, length: int) -> list[int]:
        """Return where tiles begin along an axis of `length` (a multiple of the stride)."""
        if length <= self.side:
            return [0]
        steps = math.ceil((length - self.side) / (self.side - self.overlap))
        last = (length - self.side) // STRIDE
        return [STRIDE * (last * step // steps) for step in range(steps + 1)]


def tiled(predict: Predictor, tiling: Tiling) -> Predictor:
    """Wrap `predict` so that frames are predicted tile by tile.

    Frames are padded as the network pads them and cut at multiples of its stride, so that a tile
    meets the grid of every scale where the whole frame does. Memory holds the frames, one picture
    of sums and what the network needs for one tile. GroupNorm and squeeze-and-excitation pool over
    what they see, so with them a tile is another picture; other networks give what they give for
    the whole frame at every pixel whose receptive field lies inside the tiles that show it.
    """

    def predict_in_tiles(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        batch, views = frames.shape[:2]
        flat, margins = pad_to_stride(frames.flatten(0, 1))
        padded = unflatten(flat, 0, (batch, views))
        height, width = padded.shape[-2:]
        if height <= tiling.side and width <= tiling.side:
            return predict(frames, times, moment)
        total = padded.new_zeros(batch, 3, height, width)
        weights = padded.new_zeros(height, width)
        for rows, columns, window in _tiles(height, width, tiling, padded):
            part = predict(padded[..., rows, columns], times, moment)
            total[..., rows, columns] += part.to(total.dtype) * window
            weights[rows, columns] += window
        return unpad(total.div_(weights), margins)

    return predict_in_tiles


def _tiles(
    height: int, width: int, tiling: Tiling, like: Tensor
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield the rows, columns and blending weights [h, w] of each tile."""
    down, across = tiling.starts(height), tiling.starts(width)
    for top in down:
        rows = slice(top, min(top + tiling.side, height))
        vertical = _window(rows, height, tiling.overlap, like)
        for left in across:
            columns = slice(left, min(left + tiling.side, width))
            horizontal = _window(columns, width, tiling.overlap, like)
            yield rows, columns, vertical[:, None] * horizontal


def _window(span: slice, length: int, overlap: int, like: Tensor) -> Tensor:
    """Return the blending weights of a tile along one axis: 1 inside, a raised cosine at borders.

    The cosine spans the middle half of the overlap. The outer quarter has weight 0, so a predictor
    with a smaller receptive field gives what it gives for the whole frame.
    """
    weights = like.new_ones(span.stop - span.start)
    place = torch.arange(overlap, dtype=like.dtype, device=like.device) + 0.5
    risen = (2 * place / overlap - 0.5).clamp(0, 1)
    ramp = 0.5 - 0.5 * torch.cos(torch.pi * risen)
    if span.start > 0:
        weights[:overlap] *= ramp
    if span.stop < length:
        weights[-overlap:] *= ramp.flip(0)
    return weights


ARITHMETIC = {
    "fp32": "float32",
    "bf16": "autocast to bfloat16 inside the network",
    "fp16": "autocast to float16 inside the network",
}


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """The device, precision, tiling and test-time augmentation that a network is run with."""

    precision: Precision
    tiling: Tiling | None
    augmentation: Augmentation = "none"

    @property
    def device(self) -> torch.device:
        return self.precision.device

    @property
    def protocol(self) -> dict[str, Any]:
        """Return the fields of a protocol that these settings decide, as JSON values."""
        return {
            "arithmetic": ARITHMETIC[self.precision.name],
            "tiling": str(self.tiling) if self.tiling else "none",
            "test_time_augmentation": MEANING[self.augmentation],
        }

    @property
    def plain(self) -> bool:
        """Return whether numbers are those of float32 on whole frames."""
        return self.precision.name == "fp32" and self.tiling is None

    def as_default(self) -> InferenceSettings:
        """Return float32 on whole frames, on the same device and augmented as these settings."""
        return InferenceSettings(make_precision("fp32", self.device), None, self.augmentation)

    def predictor(self, method: Method) -> Predictor:
        """Load the method on the device and apply these settings."""
        return self.apply(method.load(self.device))

    def apply(self, loaded: Predictor) -> Predictor:
        """Wrap a loaded predictor with all of these settings; its pictures are float32."""

        def predict(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
            with self.precision.autocast():
                return loaded(frames, times, moment).float()

        whole = tiled(predict, self.tiling) if self.tiling else predict
        return augmented(whole, self.augmentation)


def make_inference(
    *,
    device: str = "auto",
    precision: str = "fp32",
    tile: int | None = None,
    overlap: int | None = None,
    threads: int | None = None,
    tta: str = "none",
) -> InferenceSettings:
    """Configure the device and return the settings of inference on it.

    Raises:
        MissingError: when the device is not there or cannot honour the precision.
        UnknownNameError: when no test-time augmentation is called `tta`.
        SpecError: for tiles that do not fit the network's grid.
    """
    if overlap is not None and tile is None:
        raise SpecError("--overlap says how far tiles overlap, so it needs --tile")
    augmentation = check_augmentation(tta)
    tiling = None if tile is None else Tiling(tile, overlap or max(8, tile // 4 // 8 * 8))
    chosen = pick_device(Runtime.model_validate({"device": device}))
    configure(chosen, threads or available_cores(), precision)
    return InferenceSettings(make_precision(precision, chosen), tiling, augmentation)
