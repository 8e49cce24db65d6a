"""Compute temporal consistency of a prediction with the frames beside it.

Each metric takes one moment of a video and gives one value, None where it has no meaning. In the
output video the inputs stand where they were, and predictions stand for the targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tempo.metrics import flow


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold one frame of the output video and the true frame, float [3, H, W] in [0, 1].

    For an input frame both are the same picture. The caller clamps predictions.
    """

    output: Tensor
    truth: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Hold a prediction (`frame`) and its neighbours in time.

    `before` and `after` are the frames next to it in the output video: the input, or the
    prediction for another time between the same inputs. `earlier` and `later` are the predictions
    for the set's consecutive targets, whether an input stands between or not; None at the ends of
    a sequence, and throughout where a set has single clips. `device` is where networks that look
    at the frames compute; the frames themselves are on the CPU.
    """

    frame: Frame
    before: Frame
    after: Frame
    earlier: Frame | None = None
    later: Frame | None = None
    device: str = "cpu"

    @property
    def steps(self) -> tuple[tuple[Frame, Frame], tuple[Frame, Frame]]:
        """The two steps of the output video that the prediction takes part in, forward in time."""
        return (self.before, self.frame), (self.frame, self.after)


def tof(moment: Moment) -> float | None:
    """Return the mean end-point difference of flows in pixels (tOF of Chu et al. 2020, TecoGAN).

    The flow of each step of the output video against that of the true video, on 8-bit luma; the
    mean over both steps.
    """
    return _mean([_flow_gap(first, second) for first, second in moment.steps])


def _flow_gap(first: Frame, second: Frame) -> float:
    flows = [
        flow.farneback_flow(flow.grey(one), flow.grey(other))
        for one, other in ((first.output, second.output), (first.truth, second.truth))
    ]
    gap = flows[0] - flows[1]
    return float(np.hypot(gap[..., 0], gap[..., 1]).mean(dtype=np.float64))


def warping_error(moment: Moment) -> float | None:
    """Return the warping error: mean squared change along the true motion, times 1e4.

    Defined by Lai et al. (2018). The later frame of a step of the output video is warped to the
    earlier one by the flow of the true frames; pixels that are occluded or at motion boundaries
    there do not count (Ruder et al. 2016). The mean over both steps; None when no pixel counts.
    """
    return _mean([_warped(first, second) for first, second in moment.steps])


def _warped(first: Frame, second: Frame) -> float | None:
    lumas = flow.grey(first.truth), flow.grey(second.truth)
    forward, backward = flow.search_flow(*lumas), flow.search_flow(*reversed(lumas))
    counts = flow.visible(forward, backward) & flow.smooth(forward)
    if not counts.any():
        return None
    here, there = (flow.pixels(each.output) for each in (first, second))
    gap = (flow.sample(there, forward) - here)[counts]
    return float(1e4 * np.square(gap).mean(dtype=np.float64))


def flicker(moment: Moment) -> float | None:
    """Return the mean absolute error of the change between consecutive predictions, in grey levels.

    The mean over the steps to the predictions before and after it. Without either there is none:
    against an input, the error of the change is only the error of the picture.
    """
    others = [each for each in (moment.earlier, moment.later) if each is not None]
    return _mean([_change_gap(each, moment.frame) for each in others])


def _change_gap(first: Frame, second: Frame) -> float:
    gap = (second.output - second.truth) - (first.output - first.truth)
    return 255 * gap.abs().double().mean().item()


LUMA_709 = (0.2126, 0.7152, 0.0722)
"""Weights of R, G, B in the luma of ITU-R BT.709."""

DIVERGING = 0.01
"""Share of the largest divergence above which a pixel counts in PSNR_DIV."""


def psnr_div(moment: Moment) -> float | None:
    """Return PSNR in dB over the pixels where the predicted motion diverges (Daly et al. 2025).

    As the authors' code (arXiv 2510.01361, github.com/conalld/psnr-div) computes it: the flow
    (Farneback, Gaussian window) goes from the prediction to the next frame of the output video;
    pixels count whose divergence exceeds a hundredth of the largest; the error is that of BT.709
    luma, 8 bit, fractions cut off. inf if equal there; None where nothing diverges.
    """
    ahead, here = moment.after.output, moment.frame.output
    size = _divergence(flow.farneback_flow(flow.grey(here), flow.grey(ahead), gaussian=True))
    counts = size > DIVERGING * size.max()
    if not counts.any():
        return None
    levels = [_luma(each) for each in (here, moment.frame.truth)]
    error = np.square(levels[0] - levels[1])[counts].mean(dtype=np.float64)
    return float(10 * np.log10(255**2 / error)) if error else math.inf


def _divergence(motion: flow.Flow) -> flow.Flow:
    """Return the size of the divergence at each pixel, by central differences.

    The authors' code differentiates the part of the flow across the picture down its columns, and
    the part down the picture along its rows; so does this, or numbers would be others than theirs.
    """
    down = np.gradient(motion[..., 0], axis=0)
    across = np.gradient(motion[..., 1], axis=1)
    return np.asarray(np.abs(down + across), np.float32)


def _luma(picture: Tensor) -> npt.NDArray[np.float64]:
    rows = (flow.pixels(picture) * 255).round().astype(np.float64)
    return np.asarray(np.floor(rows @ np.array(LUMA_709) + 1e-9))


def _mean(steps: Sequence[float | None]) -> float | None:
    known = [step for step in steps if step is not None]
    return sum(known) / len(known) if known else None
