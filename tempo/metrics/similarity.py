"""Compute structural similarity in the field's conventions: 2-D, 3-D and multi-scale SSIM.

All functions take a prediction and a target, float32 [B, 3, H, W] in [0, 1], and return float32
[B]: one value a picture. Predictions outside [0, 1] are clamped first, as in every evaluation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from tempo.metrics.fidelity import checked

WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of SSIM's Gaussian window (Wang et al. 2004)."""

BLOCK = 32
"""Means that one matrix product computes along an axis: few enough that most of the matrix is the
window, enough that the product runs at full speed."""


C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants (K1 = 0.01, K2 = 0.03) for a data range of 1."""

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales of MS-SSIM, finest first (Wang et al. 2003)."""

STRIP = 64
"""Rows of means that a CPU computes at a time."""

Score = Callable[[Tensor], Tensor]
"""From window means [B, 4, 3, h, w], which it may overwrite, to one value a pixel [B, 3, h, w]."""


def gaussian(like: Tensor) -> Tensor:
    """Return the window's weights [11], a sampled Gaussian that sums to 1, in `like`'s dtype."""
    at = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-0.5 * (at / SIGMA) ** 2)
    return (weights / weights.sum()).to(like)


def shifted_means(planes: Tensor) -> Tensor:
    """Return Gaussian means as shifted sums, [..., H, W] -> [..., H-10, W-10].

    For a GPU, where a product or a convolution may round its input to TF32, which costs the
    fourth digit.
    """
    return _shifted(_shifted(planes, -2), -1)


def _shifted(planes: Tensor, axis: int) -> Tensor:
    weights = gaussian(planes).tolist()
    length = planes.shape[axis] - WINDOW + 1
    out: Tensor = planes.narrow(axis, 0, length) * weights[0]
    for offset in range(1, WINDOW):
        out.add_(planes.narrow(axis, offset, length), alpha=weights[offset])
    return out


class Workspace:
    """Compute Gaussian means on a CPU, strip by strip in the same memory.

    Fresh memory of this size costs more than the arithmetic: the system hands it out page by page.
    Each axis is a product with a banded matrix, block by block. A strip has `planes` planes of
    `width` columns and at most `height` rows of means.
    """

    def __init__(self, planes: int, height: int, width: int, like: Tensor) -> None:
        self._strip = like.new_empty(planes, height + WINDOW - 1, width)
        self._down = like.new_empty(planes * height * width)
        self._means = like.new_empty(planes * height * (width - WINDOW + 1))
        self._band = _band(like)
        self._turned = self._band.T.contiguous()

    def strip(self, height: int) -> Tensor:
        """Return the planes to fill for `height` rows of means: [P, height + 10, W]."""
        return self._strip[:, : height + WINDOW - 1]

    def means(self, height: int) -> Tensor:
        """Return the means of the planes, [P, height, W-10]; the next call overwrites them."""
        strip = self.strip(height)
        count, _, width = strip.shape
        down = self._down[: count * height * width].view(count, height, width)
        for top in range(0, height, BLOCK):
            out = down[:, top : top + BLOCK]
            used = out.shape[1] + WINDOW - 1
            band = self._band[: out.shape[1], :used]
            torch.matmul(band, strip[:, top : top + used], out=out)
        rows, kept = down.view(-1, width), width - WINDOW + 1
        means = self._means[: len(rows) * kept].view(-1, kept)
        for left in range(0, kept, BLOCK):
            out = means[:, left : left + BLOCK]
            used = out.shape[1] + WINDOW - 1
            torch.mm(rows[:, left : left + used], self._turned[:used, : out.shape[1]], out=out)
        return means.view(count, height, kept)


def _band(like: Tensor) -> Tensor:
    """Return the window on each of `BLOCK` neighbouring places, [BLOCK, BLOCK + 10]."""
    matrix = like.new_zeros(BLOCK, BLOCK + WINDOW - 1)
    for place, weight in enumerate(gaussian(like)):
        matrix.diagonal(place).fill_(weight)
    return matrix


def replicated_channel_means(channels: int, like: Tensor) -> Tensor:
    """Return the window along a short channel axis with replicate padding, as a matrix [C, C].

    With three channels and a window of 11 every output mixes all channels, so the third axis of
    the 3-D SSIM is one small matrix product.
    """
    weights = gaussian(like).tolist()
    mix = torch.zeros(channels, channels, dtype=like.dtype)
    for row in range(channels):
        for offset, weight in enumerate(weights):
            column = min(max(row + offset - WINDOW // 2, 0), channels - 1)
            mix[row, column] += weight
    return mix.to(like.device)


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the structural similarity (Wang et al. 2004), Gaussian window 11 x 11, sigma 1.5.

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
    """Return the 3-D SSIM of MATLAB code: a Gaussian window of 11 over height, width and RGB.

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
    """Return the multi-scale SSIM (Wang et al. 2003) over five scales, each half the last.

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
    """Return the mean score of each picture, float64 [B]; a CPU works in strips of one picture."""
    if target.device.type == "cpu":
        pairs = zip(prediction, target, strict=True)
        return torch.stack([_mean_in_strips(one, other, score) for one, other in pairs])
    return _mean_at_once(prediction, target, score)


def _mean_at_once(prediction: Tensor, target: Tensor, score: Score) -> Tensor:
    planes = target.new_empty(len(target), 4, *target.shape[1:])
    _fill(planes, prediction, target)
    return score(shifted_means(planes)).mean(dim=(1, 2, 3), dtype=torch.float64)


def _mean_in_strips(prediction: Tensor, target: Tensor, score: Score) -> Tensor:
    """Return the mean score of one picture [3, H, W], in strips that fit the CPU's cache."""
    channels, rows, columns = target.shape
    rows, columns = rows - WINDOW + 1, columns - WINDOW + 1
    step = min(STRIP, rows)
    work = Workspace(4 * channels, step, target.shape[-1], target)
    total = target.new_zeros((), dtype=torch.float64)
    for top in range(0, rows, step):
        height = min(step, rows - top)
        strip = slice(top, top + height + WINDOW - 1)
        planes = work.strip(height).view(1, 4, channels, -1, target.shape[-1])
        _fill(planes, prediction[None, :, strip], target[None, :, strip])
        means = work.means(height).view(1, 4, channels, height, columns)
        total += score(means).sum()
    return total / (channels * rows * columns)


def _fill(planes: Tensor, prediction: Tensor, target: Tensor) -> None:
    """Write s, d, s^2 + 2 C2 and d^2 for s = x + y, d = x - y into `planes` [B, 4, 3, H, W].

    The sum and the difference hold all that SSIM needs of x, y, x^2 + y^2 and x y in four planes
    instead of five, and where the pictures agree d is small, so fp32 loses little. A constant
    added here comes through the window, whose weights sum to 1, as it is.
    """
    total, apart, total2, apart2 = planes.unbind(1)
    torch.add(prediction, target, out=total)
    torch.sub(prediction, target, out=apart)
    torch.addcmul(total.new_tensor(2 * C2), total, total, out=total2)
    torch.mul(apart, apart, out=apart2)


def _variances(means: Tensor) -> tuple[Tensor, Tensor]:
    """Return vs + 2 C2 and vd, the variances of s and d, in place of the means of the squares.

    2 cov = (vs - vd) / 2, and var x + var y = (vs + vd) / 2.
    """
    total, apart, total2, apart2 = means.unbind(1)
    return total2.addcmul_(total, total, value=-1), apart2.addcmul_(apart, apart, value=-1)


def _similarity(means: Tensor) -> Tensor:
    """Return SSIM of each pixel. Overwrites `means`."""
    vs, vd = _variances(means)
    # What holds for the variances holds for the squared means.
    total, apart = means[:, 0], means[:, 1].square_()
    ms = torch.addcmul(total.new_tensor(2 * C1), total, total)
    over = (vs - vd).mul_(torch.sub(ms, apart, out=total))
    return over.div_(vs.add_(vd).mul_(ms.add_(apart)))


def _contrast(means: Tensor) -> Tensor:
    """Return SSIM of each pixel without its luminance term. Overwrites `means`."""
    vs, vd = _variances(means)
    return (vs - vd).div_(vs.add_(vd))
