"""Define the metrics that a spec can ask for; `tempo/metrics` computes them."""

from __future__ import annotations

from tempo.core.catalog import Catalog
from tempo.core.records import MetricInfo

_INFOS = (
    MetricInfo(
        name="psnr",
        label="PSNR",
        unit="dB",
        better="higher",
        digits=2,
        definition="peak signal-to-noise ratio over RGB, data range 1, without rounding",
    ),
    MetricInfo(
        name="psnr_uint8",
        label="PSNR, 8 bit",
        unit="dB",
        better="higher",
        digits=2,
        definition="peak signal-to-noise ratio over RGB of pictures rounded to 8 bits",
    ),
    MetricInfo(
        name="ssim",
        label="SSIM",
        unit="",
        better="higher",
        digits=4,
        definition=(
            "structural similarity, 2-D Gaussian window 11, sigma 1.5, "
            "where the window fits, mean of the RGB channels"
        ),
    ),
    MetricInfo(
        name="ssim_matlab",
        label="SSIM, 3-D",
        unit="",
        better="higher",
        digits=4,
        definition=(
            "structural similarity, 3-D Gaussian window 11, sigma 1.5, "
            "over height, width and RGB with replicate padding"
        ),
    ),
    MetricInfo(
        name="ms_ssim",
        label="MS-SSIM",
        unit="",
        better="higher",
        digits=4,
        definition=(
            "multi-scale structural similarity on five scales, window as ssim, mean of the RGB "
            "channels; sides of at least 176"
        ),
    ),
    MetricInfo(
        name="ie",
        label="IE",
        unit="grey levels",
        better="lower",
        digits=2,
        definition="mean absolute difference of pictures rounded to 8 bits",
    ),
    MetricInfo(
        name="edge",
        label="edge error",
        unit="grey levels/px",
        better="lower",
        digits=3,
        definition=(
            "mean absolute difference of the Sobel gradient magnitudes of luma (BT.601, 0 to 255)"
        ),
    ),
    MetricInfo(
        name="tof",
        label="tOF",
        unit="px",
        better="lower",
        digits=3,
        definition=(
            "mean end-point difference between the optical flow (Farneback) from and to the "
            "neighbouring frames of the prediction and that of the target"
        ),
    ),
    MetricInfo(
        name="warping",
        label="warping error",
        unit="1e-4",
        better="lower",
        digits=2,
        definition=(
            "mean squared difference (RGB, data range 1) between neighbouring output frames, "
            "one warped to the other by the flow (DIS) of the true frames, where not occluded"
        ),
    ),
    MetricInfo(
        name="flicker",
        label="flicker",
        unit="grey levels",
        better="lower",
        digits=2,
        definition=(
            "mean absolute error of the change from one predicted frame to the next; "
            "only where a set has consecutive targets"
        ),
    ),
)
METRIC_INFOS = Catalog("metric", {info.name: info for info in _INFOS})
"""Name to meaning, in the order tables show them."""

DEFAULT_METRICS = ("psnr", "psnr_uint8", "ssim", "ssim_matlab", "ms_ssim", "ie", "edge")
"""Cheap enough for every validation and test. The others estimate optical flow or need more than
one target."""
