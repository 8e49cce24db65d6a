"""Compute reconstruction losses: pixel-wise, on edges, frequencies, pyramids and structure.

Each maps a prediction and a target, [B, 3, H, W], to one value a sample, [B].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from tempo.kernels.charbonnier import charbonnier
from tempo.kernels.selection import takes
from tempo.spec import losses as options


class Charbonnier(nn.Module):
    """mean sqrt(d^2 + eps^2) (smooth L1, Charbonnier et al. 1994): eps for equal pictures."""

    def __init__(self, options: options.Charbonnier) -> None:
        super().__init__()
        self.eps = options.eps

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same = prediction.dtype == target.dtype
        if same and takes("charbonnier", prediction, options=(self.eps,)):
            return charbonnier(prediction, target, self.eps)
        distance = ((prediction - target).square() + self.eps**2).sqrt()
        return distance.flatten(1).mean(1)


class L1(nn.Module):
    """mean |d| over a picture."""

    def __init__(self, options: options.L1) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs().flatten(1).mean(1)


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
        down, across = differences(prediction - target)
        return down.abs().flatten(1).mean(1) + across.abs().flatten(1).mean(1)


class Frequency(nn.Module):
    """mean |F(p) - F(t)| over the orthonormal 2-D Fourier coefficients (Fuoli et al. 2021).

    The transform is linear: |F(p - t)|. A tiny constant under the root keeps the slope finite
    where a coefficient vanishes.
    """

    floor = 1e-12

    def __init__(self, options: options.Frequency) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        spectrum = torch.fft.fft2(prediction - target, norm="ortho")
        power = spectrum.real.square() + spectrum.imag.square()
        distance: Tensor = (power + self.floor).sqrt()
        return distance.flatten(1).mean(1)


SMALLEST = 4
"""Pixels of the shorter side below which no further level is made."""


class Laplacian(nn.Module):
    """sum over levels k of 2^k mean |difference of level k| of Laplacian pyramids.

    Pyramids by Burt and Adelson (1983), as a loss in Niklaus and Liu (2018).
    The coarsest level is the low-pass picture that remains, so that every difference counts.
    """

    taps: Tensor

    def __init__(self, options: options.Laplacian) -> None:
        super().__init__()
        self.levels = options.levels
        taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16
        self.register_buffer("taps", torch.outer(taps, taps), persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        # The pyramid is linear, so the pyramid of the difference is the difference of pyramids.
        rest = prediction - target
        total: Tensor = rest.new_zeros(len(rest))
        level = 0
        while level < self.levels and min(rest.shape[-2:]) >= 2 * SMALLEST:
            low = self._blur(rest)[..., ::2, ::2]
            size = (rest.shape[-2], rest.shape[-1])
            up = F.interpolate(low, size=size, mode="bilinear", align_corners=False)
            total = total + 2**level * (rest - up).abs().flatten(1).mean(1)
            rest, level = low, level + 1
        coarsest: Tensor = rest.abs().flatten(1).mean(1)
        result: Tensor = total + 2**level * coarsest
        return result

    def _blur(self, x: Tensor) -> Tensor:
        kernel = self.taps.to(x)[None, None].expand(x.shape[1], 1, 5, 5)
        padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
        blurred: Tensor = F.conv2d(padded, kernel, groups=x.shape[1])
        return blurred


GREY = (0.299, 0.587, 0.114)
"""Luma weights of ITU-R BT.601."""
SOFTNESS = 0.81 / 255**2
"""Squared grey difference at which a comparison stops being undecided."""
TOLERANCE = 0.1


class Census(nn.Module):
    """The mean over pixels of the soft Hamming distance between census descriptors.

    Robust to brightness (UnFlow; Meister et al. 2018).
    A pixel's descriptor holds, for each neighbour, its grey difference d squashed to
    d / sqrt(0.81/255^2 + d^2); two entries at distance e cost e^2 / (0.1 + e^2).
    """

    def __init__(self, options: options.Census) -> None:
        super().__init__()
        self.radius = options.radius

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        distance = (self._describe(prediction) - self._describe(target)).square()
        return (distance / (TOLERANCE + distance)).flatten(1).mean(1)

    def _describe(self, picture: Tensor) -> Tensor:
        weights = torch.tensor(GREY, dtype=picture.dtype, device=picture.device)
        grey = (picture * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)
        r = self.radius
        around = unfold(pad(grey, (r, r, r, r), mode="replicate"), 2 * r + 1)
        difference = around - grey.flatten(2)
        return difference / (SOFTNESS + difference.square()).sqrt()


C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants (K1 = 0.01, K2 = 0.03) for a data range of 1."""


class Ssim(nn.Module):
    """1 - mean SSIM over the places where the window fits, channel by channel.

    As a metric: Wang et al. 2004; as a loss: Zhao et al. 2017.
    A picture smaller than the window is measured with the largest odd window that fits.
    """

    def __init__(self, options: options.Ssim) -> None:
        super().__init__()
        self.window, self.sigma = options.window, options.sigma

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        p, t = prediction.flatten(0, 1)[:, None], target.flatten(0, 1)[:, None]
        stacked = torch.cat([p, t, p * p, t * t, p * t], dim=1)
        mean_p, mean_t, pp, tt, pt = self._means(stacked).unbind(1)
        var_p, var_t, both = pp - mean_p**2, tt - mean_t**2, pt - mean_p * mean_t
        structure = (2 * both + C2) / (var_p + var_t + C2)
        luminance = (2 * mean_p * mean_t + C1) / (mean_p**2 + mean_t**2 + C1)
        similarity = (structure * luminance).flatten(1).mean(1)
        return 1 - similarity.view(len(prediction), -1).mean(1)

    def _means(self, x: Tensor) -> Tensor:
        shortest = min(x.shape[-2:])
        side = min(self.window, shortest - 1 + shortest % 2)
        place = torch.arange(side, dtype=x.dtype, device=x.device) - (side - 1) / 2
        taps = torch.exp(-(place**2) / (2 * self.sigma**2))
        taps = taps / taps.sum()
        channels = x.shape[1]
        rows = taps.view(1, 1, side, 1).expand(channels, 1, side, 1)
        columns = taps.view(1, 1, 1, side).expand(channels, 1, 1, side)
        return F.conv2d(F.conv2d(x, rows, groups=channels), columns, groups=channels)
