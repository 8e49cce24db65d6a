"""The mean absolute difference."""

from __future__ import annotations

from torch import Tensor, nn

from tempo.spec import losses as options


class L1(nn.Module):
    """mean |d| over a picture."""

    def __init__(self, options: options.L1) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        return (prediction - target).abs().flatten(1).mean(1)
