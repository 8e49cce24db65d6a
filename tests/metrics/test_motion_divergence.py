"""Check PSNR-DIV against a computation of its own, pixel by pixel, on pictures that move."""

import math

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from tempo.metrics.metric_table import METRICS, evaluate_moment, needs
from tempo.metrics.temporal import Frame, Moment

PHOTOGRAPH = data.astronaut()


def levels(shift):
    return np.ascontiguousarray(PHOTOGRAPH[100:148, 120 + shift : 184 + shift])


def frame(predicted, truth):
    return Frame(*(torch.from_numpy(each / np.float32(255)).permute(2, 0, 1) for each in
                   (predicted, truth)))  # fmt: skip


def moment(predicted, truth):
    return Moment(
        frame=frame(predicted, truth),
        before=frame(levels(2), levels(2)),
        after=frame(levels(6), levels(6)),
    )


def by_hand(predicted, truth, ahead):
    """Compute the metric in loops over the rows and columns, from the authors' description."""
    lumas = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (predicted, ahead)]
    flow = cv2.calcOpticalFlowFarneback(
        *lumas, None, pyr_scale=0.5, levels=3, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2,
        flags=256,
    ).astype(float)  # fmt: skip
    height, width = lumas[0].shape

    def slope(values, place, last):
        low, high = max(place - 1, 0), min(place + 1, last)
        return (values[high] - values[low]) / (high - low)

    size = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            down = slope(flow[:, x, 0], y, height - 1)
            size[y, x] = abs(down + slope(flow[y, :, 1], x, width - 1))
    total = count = 0
    for y in range(height):
        for x in range(width):
            if size[y, x] / size.max() > 0.01:
                one, other = (
                    int(0.2126 * int(p[0]) + 0.7152 * int(p[1]) + 0.0722 * int(p[2]) + 1e-9)
                    for p in (predicted[y, x], truth[y, x])
                )
                total, count = total + (one - other) ** 2, count + 1
    assert 0 < count < height * width
    return 20 * math.log10(255 / math.sqrt(total / count))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_definition_gives_pixel_by_pixel(seed):
    noise = np.random.default_rng(seed).normal(0, 6, levels(4).shape)
    predicted = (levels(4) + noise).round().clip(0, 255).astype(np.uint8)
    found = evaluate_moment(moment(predicted, levels(4)), ["psnr_div"])
    assert found["psnr_div"] == pytest.approx(by_hand(predicted, levels(4), levels(6)), abs=1e-4)


def test_equal_pixels_are_infinite_and_larger_errors_are_fewer_decibel():
    truth = levels(4)
    clean = evaluate_moment(moment(truth, truth), ["psnr_div"])["psnr_div"]
    assert clean == math.inf
    noisy = evaluate_moment(moment(truth // 2, truth), ["psnr_div"])["psnr_div"]
    noisier = evaluate_moment(moment(truth // 4, truth), ["psnr_div"])["psnr_div"]
    assert noisier < noisy < 20


def test_without_any_motion_it_has_no_value_and_nan_stays_nan():
    flat = np.full((48, 64, 3), 90, np.uint8)
    still = Moment(frame=frame(flat, flat), before=frame(flat, flat), after=frame(flat, flat))
    assert evaluate_moment(still, ["psnr_div"]) == {}
    broken = Frame(torch.full((3, 48, 64), math.nan), torch.zeros(3, 48, 64))
    found = evaluate_moment(
        Moment(frame=broken, before=still.before, after=still.after), ["psnr_div"]
    )
    assert math.isnan(found["psnr_div"])


def test_it_is_a_metric_of_two_frames_in_decibel():
    assert needs(["psnr_div"]) == {"pair"}
    info = METRICS.get("psnr_div").info
    assert (info.unit, info.better) == ("dB", "higher")
