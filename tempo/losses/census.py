"""Compute the soft census loss of UnFlow (Meister et al. 2018), robust to brightness."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from tempo.spec import losses as options

GREY = (0.299, 0.587, 0.114)
"""Luma weights of ITU-R BT.601."""
SOFTNESS = 0.81 / 255**2
"""Squared grey difference at which a comparison stops being undecided."""
TOLERANCE = 0.1


class Census(nn.Module):
    """The mean over pixels of the soft Hamming distance between census descriptors.

    A pixel's descriptor holds, for each neighbour, its grey difference d squashed to
    d / sqrt(0.81/255^2 + d^2); two entries at distance e cost e^2 / (0.1 + e^2).
    """

    def __init__(self, options: options.Census) -> None:
        super().__init__()
        self.radius = options.radius

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        distance = (self._describe(prediction) - self._describe(target)).square()
        return (distance / (TOLERANCE + distance)).flatten(1).mean(1)

    def _describe(self, picture: Tensor) -> Tensor:
        weights = torch.tensor(GREY, dtype=picture.dtype, device=picture.device)
        grey = (picture * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)
        r = self.radius
        around = unfold(pad(grey, (r, r, r, r), mode="replicate"), 2 * r + 1)
        difference = around - grey.flatten(2)
        return difference / (SOFTNESS + difference.square()).sqrt()
