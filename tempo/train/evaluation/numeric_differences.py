"""What half precision or tiling changes, measured against float32 on whole frames."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from tempo.core.errors import MissingError
from tempo.metrics.metric_table import metric_infos
from tempo.records.evaluations import Compared
from tempo.spec.metrics import DEFAULT_METRICS
from tempo.train.evaluation.clip_evaluation import judge_clips, means
from tempo.train.evaluation.evaluation_settings import Manner, TestClips, predictions
from tempo.train.evaluation.gallery_pictures import spread
from tempo.train.evaluation.methods import Method
from tempo.train.run.stop_request import StopRequest

LIMIT = 0.01
"""dB that a metric may move before the number is flagged."""


def compare_with_default(method: Method, test: TestClips, manner: Manner) -> Compared | None:
    """Mean metrics in the chosen manner less those in the default one, over a few clips of `test`.

    None when the manner is the default or nothing is computed. Only the metrics of single frames
    are compared.
    """
    if manner.setting.plain or method.pictures is not None or not manner.check:
        return None
    default = replace(manner, setting=manner.setting.as_default())
    indices = spread(range(len(test)), manner.check)
    chosen, count = _means(method, test, manner, indices)
    try:
        whole, _ = _means(method, test, default, indices)
    except torch.OutOfMemoryError:
        return Compared(
            clips=0,
            differences={},
            flagged=(),
            problem="whole frames in float32 do not fit into the memory of the device",
        )
    differences = {name: _less(chosen[name], whole[name]) for name in chosen if name in whole}
    infos = metric_infos()
    flagged = tuple(
        name
        for name, value in differences.items()
        if infos[name].unit == "dB" and not abs(value) <= LIMIT
    )
    return Compared(clips=count, differences=differences, flagged=flagged)


def _less(one: float, other: float) -> float:
    """Equal infinities (pictures that are exactly right) differ by nothing."""
    return 0.0 if one == other else one - other if math.isfinite(other) else math.nan


def _means(
    method: Method, test: TestClips, manner: Manner, indices: tuple[int, ...]
) -> tuple[dict[str, float], int]:
    def broken(index: int, error: MissingError) -> None:
        return  # The evaluation itself has told of it.

    predict, device = predictions(method, manner), manner.setting.device
    frame = [name for name in manner.metrics if name in DEFAULT_METRICS]
    judged = judge_clips(predict, test, indices, device, StopRequest(), frame, broken)
    rows = [each.row for each in judged]
    return means(rows), len(rows)
