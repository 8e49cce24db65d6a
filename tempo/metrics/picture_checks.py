"""Check and convert the two stacks of pictures that a metric compares."""

from __future__ import annotations

import torch
from torch import Tensor


def checked(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return both stacks in float32 (float64 if the target is), the prediction clamped to [0, 1].

    Raises:
        ValueError: unless both are [B, 3, H, W] of one shape.
    """
    if prediction.shape != target.shape or prediction.ndim != 4 or prediction.shape[1] != 3:
        raise ValueError(
            "a metric compares two stacks of shape [B, 3, H, W], "
            f"not {list(prediction.shape)} and {list(target.shape)}"
        )
    wide = torch.float64 if target.dtype == torch.float64 else torch.float32
    return prediction.to(wide).clamp(0, 1), target.to(wide)
