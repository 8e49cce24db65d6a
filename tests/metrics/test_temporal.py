"""Laws of the temporal metrics and of optical flow, on real pictures moved by a known amount."""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from skimage import data

from tempo.metrics import flow
from tempo.metrics.flow import estimate_motion
from tempo.metrics.metric_table import METRICS, evaluate_moment, needs
from tempo.metrics.references import interpolate
from tempo.metrics.temporal import Frame, Moment

TEMPORAL = ["tof", "warping", "flicker"]
PHOTOGRAPH = data.astronaut()


def view(shift):
    """The photograph seen through a window that moved: [3, 96, 128] in [0, 1]."""
    pixels = PHOTOGRAPH[100 : 100 + 96, 120 + shift : 248 + shift].astype(np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def noisy(picture, strength, seed=0):
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return (picture + strength * noise).clamp(0, 1)


def given(shift):
    return Frame(view(shift), view(shift))


def moment(strength, consecutive=True, seed=0):
    frames = [Frame(noisy(view(s), strength, seed + s), view(s)) for s in (2, 4, 6)]
    earlier, later = (frames[0], frames[2]) if consecutive else (None, None)
    return Moment(frame=frames[1], before=given(2), after=given(6), earlier=earlier, later=later)


@pytest.mark.parametrize("name", TEMPORAL)
def test_a_perfect_prediction_and_ever_more_noise(name):
    values = [METRICS.get(name).function(moment(s)) for s in (0.0, 0.02, 0.1)]
    assert METRICS.get(name).info.better == "lower"
    assert values[0] < values[1] < values[2]
    if name != "warping":
        assert values[0] == 0


def test_warping_error_of_the_true_frames_is_next_to_nothing():
    # A pure translation leaves only what flow and bilinear sampling miss.
    assert METRICS.get("warping").function(moment(0.0)) < 0.05 * METRICS.get("warping").function(
        Moment(frame=Frame(view(2), view(4)), before=given(2), after=given(6))
    )


@pytest.mark.parametrize("name", TEMPORAL)
def test_wrong_motion_is_seen_where_the_picture_itself_is_sharp(name):
    frozen = Moment(
        frame=Frame(view(2), view(4)), before=given(2), after=given(6), earlier=given(2)
    )
    assert METRICS.get(name).function(frozen) > 5 * METRICS.get(name).function(moment(0.0)) + 0.01


def test_flicker_needs_consecutive_predictions_and_is_missing_not_zero():
    values = evaluate_moment(moment(0.05, consecutive=False), TEMPORAL)
    assert set(values) == {"tof", "warping"}
    assert set(evaluate_moment(moment(0.05), TEMPORAL)) == set(TEMPORAL)


def test_a_constant_error_does_not_flicker():
    def dark(shift):
        return Frame((view(shift) * 0.9 + 0.02), view(shift) * 0.9)

    steady = Moment(frame=dark(4), before=given(2), after=given(6), earlier=dark(2), later=dark(6))
    assert METRICS.get("flicker").function(steady) == pytest.approx(0, abs=1e-4)


def test_flicker_is_the_mean_over_both_steps():
    whole = moment(0.05)
    sides = [
        Moment(frame=whole.frame, before=whole.before, after=whole.after, earlier=each)
        for each in (whole.earlier, whole.later)
    ]
    function = METRICS.get("flicker").function
    assert function(whole) == pytest.approx(np.mean([function(each) for each in sides]))


def test_nothing_is_invented_for_predictions_that_are_not_finite():
    broken = Moment(
        frame=Frame(torch.full_like(view(4), math.nan), view(4)), before=given(2), after=given(6)
    )
    assert all(math.isnan(value) for value in evaluate_moment(broken, TEMPORAL).values())


def test_frames_metrics_are_not_computed_here():
    assert evaluate_moment(moment(0.05), ["psnr", "ssim"]) == {}
    assert needs(["psnr", "tof"]) == {"frame", "pair"}
    assert needs(["flicker"]) == {"sequence"}


def test_tof_is_tecogans():
    """TecoGAN's own steps, written with OpenCV alone."""
    given_moment = moment(0.05, consecutive=False)

    def grey(picture):
        pixels = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)

    gaps = []
    for first, second in given_moment.steps:
        flows = [
            cv2.calcOpticalFlowFarneback(grey(a), grey(b), None, 0.5, 3, 15, 3, 5, 1.2, 0)
            for a, b in ((first.output, second.output), (first.truth, second.truth))
        ]
        gaps.append(np.linalg.norm(flows[0] - flows[1], axis=-1).mean())
    value = METRICS.get("tof").function(given_moment)
    assert value == pytest.approx(np.mean(gaps), rel=1e-5)


def test_sampling_is_scipys():
    random = np.random.default_rng(0)
    picture = flow.pixels(view(0))
    moved = random.uniform(-6, 6, (96, 128, 2)).astype(np.float32)
    y, x = np.indices((96, 128)).astype(float)
    at = [y + moved[..., 1], x + moved[..., 0]]
    for colour in range(3):
        expected = map_coordinates(picture[..., colour].astype(float), at, order=1, mode="nearest")
        np.testing.assert_allclose(flow.sample(picture, moved)[..., colour], expected, atol=1e-4)


def test_flow_finds_a_translation_and_its_visibility():
    lumas = flow.grey(view(0)), flow.grey(view(5))
    there, back = flow.search_flow(*lumas), flow.search_flow(*reversed(lumas))
    inner = there[10:-10, 20:-20]
    assert np.median(inner[..., 0]) == pytest.approx(-5, abs=0.1)
    assert np.median(inner[..., 1]) == pytest.approx(0, abs=0.1)
    seen = flow.visible(there, back)
    assert seen[:, 20:-20].mean() > 0.9
    assert not seen[:, :3].any()


def test_motion_is_that_between_the_inputs():
    found = estimate_motion(view(0), view(4), view(8))
    assert found.motion == pytest.approx(8, abs=0.4)
    still = estimate_motion(view(0), view(0), view(0))
    assert still.motion == pytest.approx(0, abs=0.01)
    assert still.occlusion < 0.01 < found.occlusion < 0.25
    tiny = view(0)[:, :12, :12]
    assert estimate_motion(tiny, tiny, tiny) is None


def psnr(one, other):
    return -10 * (one - other).square().mean().log10().item()


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_flow_interpolation_follows_the_motion(share):
    picture = interpolate(view(0), view(8), share)
    truth = view(round(8 * share))
    blend = torch.lerp(view(0), view(8), share)
    assert psnr(picture[..., 10:-10], truth[..., 10:-10]) > 32
    assert psnr(picture, truth) > psnr(blend, truth) + 6


def test_flow_interpolation_is_the_same_backwards_and_keeps_what_stands_still():
    there, back = interpolate(view(0), view(8), 0.25), interpolate(view(8), view(0), 0.75)
    torch.testing.assert_close(there, back, atol=1e-5, rtol=0)
    assert psnr(interpolate(view(3), view(3), 0.5), view(3)) > 45
