"""Structural similarity in the conventions of the field: 2-D, 3-D and multi-scale.

All functions take a prediction and a target, float32 [B, 3, H, W] in [0, 1], and return float32
[B]: one value a picture. Predictions outside [0, 1] are clamped first, as in every evaluation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from tempo.metrics.checks import checked
from tempo.metrics.windows import WINDOW, replicated_channel_means, window_means

C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants (K1 = 0.01, K2 = 0.03) for a data range of 1."""

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales of MS-SSIM, finest first (Wang et al. 2003)."""

STRIP = 64
"""Rows a CPU works on at a time, so that they stay in its cache."""

Score = Callable[[Tensor], Tensor]
"""From window means [B, 4, 3, h, w] to one value a pixel [B, 3, h, w]."""


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) with an 11 x 11 Gaussian window, sigma 1.5.

    Computed for each colour channel where the window fits, then averaged: scikit-image's
    `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1, channel_axis=...)`.

    Raises:
        ValueError: when a side is shorter than the window.
    """
    prediction, target = checked(prediction, target)
    if min(target.shape[-2:]) < WINDOW:
        raise ValueError(
            f"ssim needs pictures of at least {WINDOW} x {WINDOW} pixels, "
            f"not {list(target.shape[-2:])}"
        )
    return _mean(prediction, target, _similarity).to(target.dtype)


def ssim_matlab(prediction: Tensor, target: Tensor) -> Tensor:
    """The field's 3-D SSIM: a Gaussian window of 11 over height, width and RGB, replicate padding.

    Equal to scikit-image's `structural_similarity` with `ssim`'s settings, without channel_axis,
    on arrays edge-padded by 5 on all three axes.
    """
    prediction, target = checked(prediction, target)
    edge = [WINDOW // 2] * 4
    padded = [pad(each, edge, "replicate") for each in (prediction, target)]
    mix = replicated_channel_means(3, target)

    def mixed(means: Tensor) -> Tensor:
        return _similarity((mix @ means.flatten(3)).view(means.shape))

    return _mean(padded[0], padded[1], mixed).to(target.dtype)


def ms_ssim(prediction: Tensor, target: Tensor) -> Tensor | None:
    """Multi-scale SSIM (Wang et al. 2003): `ssim`'s window on five scales, each half the last.

    Contrast and structure at every scale, luminance at the coarsest; a negative mean counts as 0.
    None when the window does not fit into the coarsest scale (a side below 176).
    """
    prediction, target = checked(prediction, target)
    if min(target.shape[-2:]) >> (len(SCALES) - 1) < WINDOW:
        return None
    product = target.new_ones(len(target), dtype=torch.float64)
    for exponent in SCALES[:-1]:
        product *= _mean(prediction, target, _contrast).relu() ** exponent
        prediction, target = avg_pool2d(prediction, 2), avg_pool2d(target, 2)
    product *= _mean(prediction, target, _similarity).relu() ** SCALES[-1]
    return product.to(target.dtype)


def _mean(prediction: Tensor, target: Tensor, score: Score) -> Tensor:
    """The mean score of each picture, float64 [B]. A CPU takes `STRIP` rows of one at a time."""
    batch, channels, rows, columns = target.shape
    rows, columns = rows - WINDOW + 1, columns - WINDOW + 1
    on_cpu = target.device.type == "cpu"
    pictures, step = (1, STRIP) if on_cpu else (batch, rows)
    total = target.new_zeros(batch, dtype=torch.float64)
    for first in range(0, batch, pictures):
        part = slice(first, first + pictures)
        for top in range(0, rows, step):
            strip = slice(top, min(top + step, rows) + WINDOW - 1)
            means = _window(prediction[part, :, strip], target[part, :, strip])
            total[part] += score(means).sum(dim=(1, 2, 3), dtype=torch.float64)
    return total / (channels * rows * columns)


def _window(prediction: Tensor, target: Tensor) -> Tensor:
    """Window means of s, d, s^2 and d^2 for s = x + y - 1, d = x - y: [B, 4, 3, h, w].

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
    means = window_means(planes.flatten(0, 2))
    return means.view(batch, 4, channels, *means.shape[-2:])


def _variances(means: Tensor) -> tuple[Tensor, Tensor]:
    """The variances vs and vd of s and d: 2 cov = (vs - vd) / 2, var x + var y = (vs + vd) / 2."""
    total, apart, total2, apart2 = means.unbind(1)
    return total2.addcmul(total, total, value=-1), apart2.addcmul(apart, apart, value=-1)


def _similarity(means: Tensor) -> Tensor:
    """SSIM of each pixel."""
    vs, vd = _variances(means)
    # What holds for the variances holds for the squared means, whose sum was shifted by 1.
    ms, md = (means[:, 0] + 1).square_(), means[:, 1].square()
    over = (vs - vd).add_(2 * C2).mul_((ms - md).add_(2 * C1))
    under = vs.add_(vd).add_(2 * C2).mul_(ms.add_(md).add_(2 * C1))
    return over.div_(under)


def _contrast(means: Tensor) -> Tensor:
    """SSIM of each pixel without its luminance term."""
    vs, vd = _variances(means)
    return (vs - vd).add_(2 * C2).div_(vs.add_(vd).add_(2 * C2))
