"""Pad pictures to a multiple of a network's deepest stride, and cut the result back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tempo.spec.arch import SCALES

STRIDE = 2 ** (SCALES - 1)
"""The deepest stride of TEMPO: frames are padded to a multiple of it."""

Margins = tuple[int, int, int, int]
"""left, right, top, bottom, in pixels."""


def pad_to_stride(x: Tensor, stride: int = STRIDE) -> tuple[Tensor, Margins]:
    """Replicate-pad [M, C, H, W], centred, to a multiple of `stride`; channels-last in memory."""
    down, across = -x.shape[2] % stride, -x.shape[3] % stride
    margins = (across // 2, across - across // 2, down // 2, down - down // 2)
    if any(margins):
        x = F.pad(x, margins, mode="replicate")
    return x.contiguous(memory_format=torch.channels_last), margins


def unpad(x: Tensor, margins: Margins) -> Tensor:
    """Remove `margins`."""
    left, right, top, bottom = margins
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]
