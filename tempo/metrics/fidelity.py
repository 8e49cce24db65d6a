"""How close a picture is to the true one: PSNR, SSIM in two conventions, interpolation error.

All functions take a prediction and a target, float32 [B, 3, H, W] in [0, 1], and return float32
[B]: one value a picture. Predictions outside [0, 1] are clamped first, as in every evaluation.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from tempo.metrics.checks import checked
from tempo.metrics.windows import WINDOW, replicated_channel_means, window_means

C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants (K1 = 0.01, K2 = 0.03) for a data range of 1."""

STRIP = 128
"""Rows a CPU works on at a time, so that they stay in its cache."""


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over RGB, data range 1; inf where pictures are equal."""
    prediction, target = checked(prediction, target)
    # Summed in fp64: over half a million squares fp32 loses the sixth digit.
    error = (prediction - target).double().square().mean(dim=(1, 2, 3))
    return (-10 * error.log10()).to(prediction.dtype)


def psnr_uint8(prediction: Tensor, target: Tensor) -> Tensor:
    """PSNR in dB after both pictures were rounded to 8 bits."""
    prediction, target = checked(prediction, target)
    levels = [(each * 255).round().double() for each in (prediction, target)]
    error = (levels[0] - levels[1]).square().mean(dim=(1, 2, 3)) / 255**2
    return (-10 * error.log10()).to(prediction.dtype)


def interpolation_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the rounded 8-bit pictures, in grey levels (0 to 255)."""
    prediction, target = checked(prediction, target)
    levels = [(each * 255).round() for each in (prediction, target)]
    return (levels[0] - levels[1]).abs().double().mean(dim=(1, 2, 3)).to(prediction.dtype)


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) with an 11 x 11 Gaussian window, sigma 1.5.

    Computed for each colour channel where the window fits, then averaged: scikit-image's
    `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1, channel_axis=...)`.

    Raises:
        ValueError: when a side is shorter than the window.
    """
    prediction, target = checked(prediction, target)
    _fits(target)
    return _mean_similarity(prediction, target, None)


def ssim_matlab(prediction: Tensor, target: Tensor) -> Tensor:
    """The field's 3-D SSIM: a Gaussian window of 11 over height, width and RGB, replicate padding.

    Equal to scikit-image's `structural_similarity` with `ssim`'s settings, without channel_axis,
    on arrays edge-padded by 5 on all three axes.
    """
    prediction, target = checked(prediction, target)
    edge = [WINDOW // 2] * 4
    padded = [pad(each, edge, "replicate") for each in (prediction, target)]
    return _mean_similarity(padded[0], padded[1], replicated_channel_means(3, target))


def _fits(pictures: Tensor) -> None:
    if min(pictures.shape[-2:]) < WINDOW:
        raise ValueError(
            f"ssim needs pictures of at least {WINDOW} x {WINDOW} pixels, "
            f"not {list(pictures.shape[-2:])}"
        )


def _mean_similarity(prediction: Tensor, target: Tensor, mix: Tensor | None) -> Tensor:
    """Mean SSIM [B]; `mix` [3, 3] averages over the channels, too.

    A CPU works on one picture at a time, `STRIP` rows of it.
    """
    batch, channels, rows, columns = target.shape
    rows, columns = rows - WINDOW + 1, columns - WINDOW + 1
    on_cpu = target.device.type == "cpu"
    pictures, step = (1, STRIP) if on_cpu else (batch, rows)
    total = target.new_zeros(batch, dtype=torch.float64)
    for first in range(0, batch, pictures):
        part = slice(first, first + pictures)
        for top in range(0, rows, step):
            strip = slice(top, min(top + step, rows) + WINDOW - 1)
            means = _means(prediction[part, :, strip], target[part, :, strip])
            if mix is not None:
                means = (mix @ means.flatten(3)).view(means.shape)
            total[part] += _similarity(means).sum(dim=(1, 2, 3), dtype=torch.float64)
    return (total / (channels * rows * columns)).to(target.dtype)


def _means(prediction: Tensor, target: Tensor) -> Tensor:
    """Window means of s, d, s^2 and d^2 for s = x + y - 1, d = x - y: [B, 4, 3, w, h].

    The sum and the difference hold all that SSIM needs of x, y, x^2 + y^2 and x y in four planes
    instead of five, and where the pictures agree d is small, so fp32 loses little.
    """
    batch, channels, height, width = target.shape
    planes = target.new_empty(batch, 4, channels, height, width)
    total, apart, total2, apart2 = planes.unbind(1)
    torch.add(prediction, target, out=total).sub_(1)
    torch.sub(prediction, target, out=apart)
    torch.mul(total, total, out=total2)
    torch.mul(apart, apart, out=apart2)
    means = window_means(planes.flatten(1, 2))
    return means.view(batch, 4, channels, *means.shape[-2:])


def _similarity(means: Tensor) -> Tensor:
    """SSIM of each pixel, [B, 3, w, h], from window means [B, 4, 3, w, h]."""
    total, apart, total2, apart2 = means.unbind(1)
    # With vs, vd the variances of s and d: 2 cov = (vs - vd) / 2, var x + var y = (vs + vd) / 2.
    # The same holds for the means, whose sum was shifted by 1.
    vs, vd = total2.addcmul(total, total, value=-1), apart2.addcmul(apart, apart, value=-1)
    ms, md = (total + 1).square_(), apart.square()
    over = (vs - vd).add_(2 * C2).mul_((ms - md).add_(2 * C1))
    under = vs.add_(vd).add_(2 * C2).mul_(ms.add_(md).add_(2 * C1))
    return over.div_(under)
