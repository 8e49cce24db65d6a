"""List every metric with its meaning, inputs and function, and evaluate metrics by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from tempo.core.errors import PluginError
from tempo.core.plugins.parts import OpenCatalog, implementation, part_of
from tempo.core.records import MetricInfo
from tempo.metrics import fidelity, similarity, temporal
from tempo.metrics.flolpips import flolpips
from tempo.metrics.perceptual import perceptual
from tempo.metrics.temporal import Moment
from tempo.spec.metrics import DEFAULT_METRICS, METRIC_INFOS, METRIC_TABLE

Needs = Literal["frame", "pair", "sequence"]
"""The frames that a metric needs: the predicted one, also its two neighbours in the output video,
or also the predictions for consecutive targets, which only some sets have."""

FrameFunction = Callable[[Tensor, Tensor], Tensor | None]
"""(prediction, target), both [B, 3, H, W], to [B]; None where such pictures have no value."""

MomentFunction = Callable[[Moment], float | None]


@dataclass(frozen=True, slots=True)
class FrameMetric:
    """Define a metric of a frame against its target."""

    info: MetricInfo
    function: FrameFunction
    needs: Needs = "frame"


@dataclass(frozen=True, slots=True)
class TemporalMetric:
    """Define a metric of frames with their neighbours in time."""

    info: MetricInfo
    function: MomentFunction
    needs: Needs


class MetricTable(OpenCatalog[FrameMetric | TemporalMetric]):
    """Tempo's metrics, then those that plug-ins added, which are metrics of a frame."""

    def get(self, name: str) -> FrameMetric | TemporalMetric:
        if part_of(METRIC_TABLE, name) is None:
            return super().get(name)
        function = implementation(METRIC_TABLE, name)
        return FrameMetric(METRIC_INFOS.get(name), partial(_measured, name, function))


def _measured(
    name: str, function: FrameFunction, prediction: Tensor, target: Tensor
) -> Tensor | None:
    """Call a plug-in's metric on the pictures, clamped as Tempo's own clamp them.

    Raises:
        PluginError: unless it returns a value a picture.
    """
    value = function(prediction.clamp(0, 1), target)
    if value is None:
        return None
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if shape != (len(target),):
        raise PluginError(
            f"the metric {name!r} must return one value a picture, a tensor of shape "
            f"[{len(target)}] for {len(target)} pictures, not {_shown(shape)}"
        )
    return value.float()


def _shown(shape: tuple[int, ...] | str) -> str:
    return shape if isinstance(shape, str) else f"one of shape {list(shape)}"


METRICS = MetricTable(METRIC_TABLE)


def _frame(name: str, function: FrameFunction) -> None:
    METRICS.add(name, FrameMetric(METRIC_INFOS.get(name), function))


def _temporal(name: str, function: MomentFunction, needs: Needs) -> None:
    METRICS.add(name, TemporalMetric(METRIC_INFOS.get(name), function, needs))


_frame("psnr", fidelity.psnr)
_frame("psnr_uint8", fidelity.psnr_uint8)
_frame("ssim", similarity.ssim)
_frame("ssim_matlab", similarity.ssim_matlab)
_frame("ms_ssim", similarity.ms_ssim)
_frame("ie", fidelity.interpolation_error)
_frame("edge", fidelity.edge_error)
for _name in ("lpips_alex", "lpips_vgg", "dists"):
    _frame(_name, perceptual(_name))
_temporal("flolpips", flolpips, "pair")
_temporal("tof", temporal.tof, "pair")
_temporal("warping", temporal.warping_error, "pair")
_temporal("psnr_div", temporal.psnr_div, "pair")
_temporal("flicker", temporal.flicker, "sequence")


def metric_infos() -> Mapping[str, MetricInfo]:
    """Return the meaning of each metric by name, in table order."""
    return {name: METRICS.get(name).info for name in METRICS}


def needs(names: Sequence[str]) -> set[Needs]:
    """Return which frames the named metrics need."""
    return {METRICS.get(name).needs for name in names}


@torch.no_grad()
def evaluate_pair(
    prediction: Tensor, target: Tensor, names: Sequence[str] = DEFAULT_METRICS
) -> dict[str, Tensor]:
    """Return the frame metrics among `names` of each picture: name to float32 [B].

    A metric that has no meaning for such pictures (too small) is left out.

    Args:
        prediction: float [B, 3, H, W]; clamped to [0, 1] here.
        target: float [B, 3, H, W] in [0, 1].

    PSNR of equal pictures is inf; an average of it must say how inf is counted.
    """
    values = {
        name: metric.function(prediction, target)
        for name, metric in _chosen(names)
        if isinstance(metric, FrameMetric)
    }
    return {name: value for name, value in values.items() if value is not None}


@torch.no_grad()
def evaluate_moment(moment: Moment, names: Sequence[str] = DEFAULT_METRICS) -> dict[str, float]:
    """Return the temporal metrics among `names` of one prediction.

    A metric without meaning here (flicker without consecutive targets) is left out; all are NaN
    when a prediction is not finite.
    """
    metrics = [(name, m) for name, m in _chosen(names) if isinstance(m, TemporalMetric)]
    near = (moment.frame, moment.before, moment.after, moment.earlier, moment.later)
    if metrics and not all(each.output.isfinite().all() for each in near if each is not None):
        return {name: math.nan for name, _ in metrics}
    values = {name: metric.function(moment) for name, metric in metrics}
    return {name: value for name, value in values.items() if value is not None}


def _chosen(names: Sequence[str]) -> list[tuple[str, FrameMetric | TemporalMetric]]:
    """Return the named metrics in table order."""
    found = {name: METRICS.get(name) for name in names}
    return [(name, found[name]) for name in METRICS if name in found]
