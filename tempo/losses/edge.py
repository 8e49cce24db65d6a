"""Compute edge losses: weighted by the target's edges, or on gradient differences."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

from tempo.spec import losses as options


def differences(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return forward differences along height and width, [B, C, H - 1, W] and [B, C, H, W - 1]."""
    return x[..., 1:, :] - x[..., :-1, :], x[..., :, 1:] - x[..., :, :-1]


class Edge(nn.Module):
    """mean w sqrt(d^2 + eps^2), with w = 1 + strength * |gradient of the target|.

    The weights depend on the target alone, so they cannot be lowered by predicting fewer edges.
    """

    def __init__(self, options: options.Edge) -> None:
        super().__init__()
        self.strength, self.eps = options.strength, options.eps

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        down, across = differences(target)
        slope = pad(down, (0, 0, 0, 1)).square() + pad(across, (0, 1)).square()
        weights = 1 + self.strength * slope.mean(1, keepdim=True).sqrt()
        distance = ((prediction - target).square() + self.eps**2).sqrt()
        return (weights * distance).flatten(1).mean(1)


class Gradient(nn.Module):
    """mean |d_x p - d_x t| + mean |d_y p - d_y t| (gradient difference, Mathieu et al. 2016)."""

    def __init__(self, options: options.Gradient) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        down, across = differences(prediction - target)
        return down.abs().flatten(1).mean(1) + across.abs().flatten(1).mean(1)
