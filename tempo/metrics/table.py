"""Every metric with its meaning, in the order tables show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tempo.core.catalog import Catalog
from tempo.core.records import MetricInfo
from tempo.metrics import fidelity


@dataclass(frozen=True, slots=True)
class Metric:
    """A function from (prediction, target) to one value a picture, and what the value means."""

    info: MetricInfo
    function: Callable[[Tensor, Tensor], Tensor]


METRICS: Catalog[Metric] = Catalog("metric")


def _add(function: Callable[[Tensor, Tensor], Tensor], info: MetricInfo) -> None:
    METRICS.add(info.name, Metric(info, function))


_add(
    fidelity.psnr,
    MetricInfo(
        name="psnr",
        unit="dB",
        better="higher",
        digits=2,
        definition="peak signal-to-noise ratio over RGB, data range 1, without rounding",
    ),
)
_add(
    fidelity.psnr_uint8,
    MetricInfo(
        name="psnr_uint8",
        unit="dB",
        better="higher",
        digits=2,
        definition="peak signal-to-noise ratio over RGB of pictures rounded to 8 bits",
    ),
)
_add(
    fidelity.ssim,
    MetricInfo(
        name="ssim",
        unit="",
        better="higher",
        digits=4,
        definition=(
            "structural similarity, 2-D Gaussian window 11, sigma 1.5, "
            "where the window fits, mean of the RGB channels"
        ),
    ),
)
_add(
    fidelity.ssim_matlab,
    MetricInfo(
        name="ssim_matlab",
        unit="",
        better="higher",
        digits=4,
        definition=(
            "structural similarity, 3-D Gaussian window 11, sigma 1.5, "
            "over height, width and RGB with replicate padding"
        ),
    ),
)
_add(
    fidelity.interpolation_error,
    MetricInfo(
        name="ie",
        unit="grey levels",
        better="lower",
        digits=2,
        definition="mean absolute difference of pictures rounded to 8 bits",
    ),
)


def metric_infos() -> Mapping[str, MetricInfo]:
    """Name to meaning, in table order."""
    return {name: METRICS.get(name).info for name in METRICS}


@torch.no_grad()
def evaluate_pair(prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Every metric of each picture: name to float32 [B].

    Args:
        prediction: float [B, 3, H, W]; clamped to [0, 1] here.
        target: float [B, 3, H, W] in [0, 1].

    PSNR of equal pictures is inf: it has no other value. Whoever averages it must say what they
    do with it.
    """
    return {name: METRICS.get(name).function(prediction, target) for name in METRICS}
