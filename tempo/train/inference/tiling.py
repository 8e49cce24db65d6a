"""Predict large frames in overlapping tiles that are blended smoothly.

Memory holds the frames, one picture of sums and what the network needs for one tile, whatever the
size of the frames. A network without normalisation or pooling over the picture gives what it gives
for the whole frame at every pixel whose receptive field lies inside the tiles that show it;
GroupNorm and squeeze-and-excitation pool over what they see, so there a tile is another picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, unflatten

from tempo.core.errors import SpecError
from tempo.models.family import STRIDE, pad_to_stride, unpad
from tempo.train.evaluation.clip_evaluation import Predictor

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
    meets the grid of every scale where the whole frame does.
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
