"""Compute pixel-wise losses: L1, and the smooth L1 of Charbonnier et al. (1994)."""

from __future__ import annotations

from torch import Tensor, nn

from tempo.spec import losses as options


class Charbonnier(nn.Module):
    """mean sqrt(d^2 + eps^2) over a picture: eps for equal pictures."""

    def __init__(self, options: options.Charbonnier) -> None:
        super().__init__()
        self.eps = options.eps

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        distance = ((prediction - target).square() + self.eps**2).sqrt()
        return distance.flatten(1).mean(1)


class L1(nn.Module):
    """mean |d| over a picture."""

    def __init__(self, options: options.L1) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        return (prediction - target).abs().flatten(1).mean(1)
