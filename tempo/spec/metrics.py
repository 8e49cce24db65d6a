"""Define the metrics that a spec can ask for; `tempo/metrics` computes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from tempo.core.catalog import Catalog
from tempo.core.errors import UnknownNameError
from tempo.core.plugins.parts import names_of
from tempo.core.records import MetricInfo

_INFOS: dict[str, tuple[tuple[str, str, Literal["higher", "lower"], int], str]] = {
    # name: ((label, unit, which is better, digits to print), definition)
    "psnr": (
        ("PSNR", "dB", "higher", 2),
        "peak signal-to-noise ratio over RGB, data range 1, without rounding",
    ),
    "psnr_uint8": (
        ("PSNR, 8 bit", "dB", "higher", 2),
        "peak signal-to-noise ratio over RGB of pictures rounded to 8 bits, halves to even",
    ),
    "ssim": (
        ("SSIM", "", "higher", 4),
        (
            "structural similarity, 2-D Gaussian window 11, sigma 1.5, "
            "where the window fits, mean of the RGB channels"
        ),
    ),
    "ssim_matlab": (
        ("SSIM, 3-D", "", "higher", 4),
        (
            "structural similarity, 3-D Gaussian window 11, sigma 1.5, "
            "over height, width and RGB with replicate padding"
        ),
    ),
    "ms_ssim": (
        ("MS-SSIM", "", "higher", 4),
        (
            "multi-scale structural similarity on five scales, window as ssim, mean of the RGB "
            "channels; sides of at least 176"
        ),
    ),
    "ie": (
        ("IE", "grey levels", "lower", 2),
        "mean absolute difference of pictures rounded to 8 bits, halves to even",
    ),
    "edge": (
        ("edge error", "grey levels/px", "lower", 3),
        ("mean absolute difference of the Sobel gradient magnitudes of luma (BT.601, 0 to 255)"),
    ),
    "lpips_alex": (
        ("LPIPS (Alex)", "", "lower", 4),
        "learned perceptual image patch similarity 0.1 through AlexNet, whole pictures",
    ),
    "lpips_vgg": (
        ("LPIPS (VGG)", "", "lower", 4),
        "learned perceptual image patch similarity 0.1 through VGG-16, whole pictures",
    ),
    "dists": (
        ("DISTS", "", "lower", 4),
        "deep image structure and texture similarity, a distance, through VGG-16, whole pictures",
    ),
    "flolpips": (
        ("FloLPIPS", "", "lower", 4),
        (
            "LPIPS (Alex) weighted by how much the flow (PWC-Net) to the neighbouring output "
            "frames differs from the true one, mean of both neighbours (Danier et al. 2022)"
        ),
    ),
    "tof": (
        ("tOF", "px", "lower", 3),
        (
            "mean end-point difference between the optical flow (Farneback) from and to the "
            "neighbouring frames of the prediction and that of the target"
        ),
    ),
    "warping": (
        ("warping error", "1e-4", "lower", 2),
        (
            "mean squared difference (RGB, data range 1) between neighbouring output frames, "
            "one warped to the other by the flow (DIS) of the true frames, where not occluded"
        ),
    ),
    "psnr_div": (
        ("PSNR-DIV", "dB", "higher", 2),
        (
            "peak signal-to-noise ratio of luma (BT.709, 8 bit) over the pixels where the flow "
            "(Farneback) from the prediction to the next output frame diverges (Daly et al. 2025)"
        ),
    ),
    "flicker": (
        ("flicker", "grey levels", "lower", 2),
        (
            "mean absolute error of the change from one predicted frame to the next; "
            "only where a set has consecutive targets"
        ),
    ),
}
METRIC_INFOS = Catalog(
    "metric",
    {
        name: MetricInfo(
            name=name, label=label, unit=unit, better=better, digits=digits, definition=definition
        )
        for name, ((label, unit, better, digits), definition) in _INFOS.items()
    },
)
"""Name to meaning, in the order tables show them."""

DEFAULT_METRICS = ("psnr", "psnr_uint8", "ssim", "ssim_matlab", "ms_ssim", "ie", "edge")
"""Cheap enough for every validation and test. The others estimate optical flow or need more than
one target."""

OWN_METRICS = tuple(_INFOS)
"""Tempo's own metrics, without those of plug-ins."""

PERCEPTUAL = {
    "lpips_alex": ("alexnet",),
    "lpips_vgg": ("vgg16",),
    "dists": ("vgg16",),
    "flolpips": ("alexnet", "pwcnet"),
}
"""Metrics that look through networks of others, and which; their weights are given by file."""

BACKBONES = tuple(dict.fromkeys(each for every in PERCEPTUAL.values() for each in every))
"""The networks that perceptual metrics look through."""

METRIC_TABLE = "metric"
"""The table that plug-ins add metrics to: of a frame against its target."""


def validation_metrics() -> tuple[str, ...]:
    """Return the metrics that a validation can measure, and so choose a checkpoint by."""
    return (*DEFAULT_METRICS, *names_of(METRIC_TABLE))


def is_better(name: str, value: float, other: float) -> bool:
    """Return whether a value of a metric is better than another one."""
    return value > other if METRIC_INFOS.get(name).better == "higher" else value < other


def best_of(values: Sequence[Mapping[str, float]], name: str) -> Mapping[str, float]:
    """Return the validation that is best by a metric, the first of equal ones.

    A metric that is not known here counts as better when higher.
    """
    lower = name in METRIC_INFOS and METRIC_INFOS.get(name).better == "lower"
    return max(values, key=lambda each: _rank(each.get(name), -1 if lower else 1))


def _rank(value: float | None, sign: int) -> float:
    return -math.inf if value is None or math.isnan(value) else sign * value


def check_validated(name: str) -> None:
    """Check that a validation can measure a metric.

    Raises:
        UnknownNameError: when there is no such metric, or validations do not measure it.
    """
    METRIC_INFOS.get(name)
    if name in PERCEPTUAL:
        raise UnknownNameError(
            f"{name} is measured when a network is tested, not in validation, so no checkpoint can "
            f"be chosen by it (possible: {', '.join(validation_metrics())})"
        )
    if name not in validation_metrics():
        raise UnknownNameError(
            f"{name} needs more frames than a validation predicts, so no checkpoint can be chosen "
            f"by it (possible: {', '.join(validation_metrics())})"
        )
