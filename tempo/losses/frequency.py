"""Compute the distance of Fourier coefficients as a loss (Fuoli et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tempo.spec import losses as options


class Frequency(nn.Module):
    """mean |F(p) - F(t)| over the coefficients of the orthonormal 2-D transform.

    The transform is linear: |F(p - t)|. A tiny constant under the root keeps the slope finite
    where a coefficient vanishes.
    """

    floor = 1e-12

    def __init__(self, options: options.Frequency) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        spectrum = torch.fft.fft2(prediction - target, norm="ortho")
        power = spectrum.real.square() + spectrum.imag.square()
        distance: Tensor = (power + self.floor).sqrt()
        return distance.flatten(1).mean(1)
