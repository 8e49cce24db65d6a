"""How predictions hold together in time with the frames beside them.

Each metric takes the predicted frames between two inputs and gives one value a prediction, None
where it has no meaning. In the output video, inputs stand before and after the predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tempo.metrics import flow
from tempo.metrics.checks import checked

Values = list[float | None]


@dataclass(frozen=True, slots=True)
class FrameSequence:
    """T predictions between two neighbouring input frames, in the order of time.

    `before` and `after` are the inputs, float [3, H, W] in [0, 1]; `predictions` and `targets`
    float [T, 3, H, W]. T is 1 where a set has no consecutive targets. Predictions are clamped.
    """

    before: Tensor
    after: Tensor
    predictions: Tensor
    targets: Tensor

    def output(self) -> Tensor:
        """The video with the predictions: [T + 2, 3, H, W]."""
        return torch.cat([self.before[None], self.predictions.clamp(0, 1), self.after[None]])

    def truth(self) -> Tensor:
        """The video with the targets: [T + 2, 3, H, W]."""
        return torch.cat([self.before[None], self.targets, self.after[None]])


def tof(sequence: FrameSequence) -> Values:
    """Mean end-point difference of flows in pixels (tOF of Chu et al. 2020, TecoGAN).

    Between neighbouring frames of the output video, against the same two of the true video, on
    8-bit luma; a prediction's value is the mean over its two steps.
    """
    output, truth = ([flow.grey(each) for each in video] for video in _videos(sequence))
    steps: Values = []
    for (a, b), (c, d) in zip(pairwise(output), pairwise(truth), strict=True):
        gap = flow.farneback_flow(a, b) - flow.farneback_flow(c, d)
        steps.append(float(np.hypot(gap[..., 0], gap[..., 1]).mean(dtype=np.float64)))
    return _around(steps)


def warping_error(sequence: FrameSequence) -> Values:
    """Mean squared change along the true motion, times 1e4 (warping error of Lai et al. 2018).

    The later frame of each step of the output video is warped to the earlier one by the flow of
    the true frames; pixels that are occluded or at motion boundaries there do not count (Ruder
    et al. 2016). A prediction's value is the mean over its two steps.
    """
    output, truth = _videos(sequence)
    lumas = [flow.grey(each) for each in truth]
    return _around([
        _warped(a, b, first, second)
        for (a, b), (first, second) in zip(pairwise(output), pairwise(lumas), strict=True)
    ])  # fmt: skip


def _warped(earlier: Tensor, later: Tensor, first: flow.Grey, second: flow.Grey) -> float | None:
    forward = flow.search_flow(first, second)
    counts = flow.visible(forward, flow.search_flow(second, first)) & flow.smooth(forward)
    if not counts.any():
        return None
    here, there = (each.permute(1, 2, 0).float().cpu().numpy() for each in (earlier, later))
    gap = (flow.sample(there, forward) - here)[counts]
    return float(1e4 * np.square(gap).mean(dtype=np.float64))


def flicker(sequence: FrameSequence) -> Values:
    """Mean absolute error of the change between consecutive predictions, in grey levels.

    A prediction's value is the mean over its steps to the predictions beside it. A single one has
    none: against an input the error of the change is the error of the picture.
    """
    prediction, target = checked(sequence.predictions, sequence.targets)
    gap = (prediction - target).diff(dim=0).abs().mean(dim=(1, 2, 3), dtype=torch.float64)
    return _around([None, *(255 * gap).tolist(), None])


def _videos(sequence: FrameSequence) -> tuple[Tensor, Tensor]:
    checked(sequence.predictions, sequence.targets)
    return sequence.output(), sequence.truth()


def _around(steps: Sequence[float | None]) -> Values:
    """The mean over the steps before and after each prediction, of those that have a value."""
    known = [[step for step in beside if step is not None] for beside in pairwise(steps)]
    return [sum(each) / len(each) if each else None for each in known]
