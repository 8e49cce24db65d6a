"""Laws of the metrics, then agreement with scikit-image on real pictures."""

import math
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tempo.metrics import fidelity, similarity
from tempo.metrics.metric_table import METRICS, evaluate_pair, metric_infos
from tempo.metrics.similarity import WINDOW, Workspace, gaussian, shifted_means
from tempo.spec.metrics import METRIC_INFOS, PERCEPTUAL

FRAME = [name for name in METRICS if METRICS.get(name).needs == "frame" and name not in PERCEPTUAL]
CLIPS = Path(os.environ.get("TEMPO_CLIPS", "../shared/data/clips"))
KIND = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}


def stack(pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def frame_pairs():
    """Real pairs, float32 [H, W, 3] in [0, 1]: neighbouring video frames and moved photographs."""
    pairs = []
    for name in ("astronaut", "coffee", "chelsea"):
        picture = getattr(data, name)().astype(np.float32) / 255
        pairs += [(picture[5:133, 7:167], picture[4:132, 9:169]), (picture[:97, :131],) * 2]
        pairs.append((picture[:64, :96], np.clip(1.3 * picture[:64, :96] - 0.1, 0, 1)))
    if (CLIPS / "signing.mp4").is_file():
        from tempo.data.datasets.video import decode
        from tempo.spec.data import Video

        for name in ("signing", "tractor_caption", "glass_tower_portrait"):
            frames = decode(CLIPS / f"{name}.mp4", Video(root="", size=(128, 224), every=1))
            first = [next(frames).pixels.astype(np.float32) / 255 for _ in range(3)]
            pairs.append((first[0], first[2]))
    return pairs


@pytest.fixture(scope="module")
def pairs():
    return frame_pairs()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ssim_is_scikit_images(pairs, dtype):
    for one, other in pairs:
        a, b = one.astype(dtype), other.astype(dtype)
        expected = structural_similarity(
            one.astype(float), other.astype(float), channel_axis=-1, **KIND
        )
        assert similarity.ssim(stack([a]), stack([b])).item() == pytest.approx(expected, abs=1e-5)


def test_ssim_matlab_is_the_three_dimensional_one(pairs):
    for one, other in pairs:
        padded = [np.pad(each.astype(float), 5, mode="edge") for each in (one, other)]
        expected = structural_similarity(*padded, **KIND)
        value = similarity.ssim_matlab(stack([one]), stack([other])).item()
        assert value == pytest.approx(expected, abs=1e-5)


def test_psnr_is_scikit_images(pairs):
    for one, other in pairs:
        if (one == other).all():
            continue
        expected = peak_signal_noise_ratio(one.astype(float), other.astype(float), data_range=1)
        value = fidelity.psnr(stack([one]), stack([other])).item()
        assert value == pytest.approx(expected, rel=1e-6)
        parts = [np.rint(255 * 1024 * each.astype(float)) / 1024 for each in (one, other)]
        eight = [np.rint(each).astype(np.uint8) for each in parts]
        value = fidelity.psnr_uint8(stack([one]), stack([other])).item()
        assert value == pytest.approx(peak_signal_noise_ratio(*eight), rel=1e-6)
        value = fidelity.interpolation_error(stack([one]), stack([other])).item()
        expected = np.abs(eight[0].astype(int) - eight[1]).mean()
        assert value == pytest.approx(expected, rel=1e-6)


def test_the_two_ssims_differ_on_purpose(pairs):
    one, other = pairs[2]
    kinds = [
        f(stack([one]), stack([other])).item() for f in (similarity.ssim, similarity.ssim_matlab)
    ]
    assert abs(kinds[0] - kinds[1]) > 1e-3


def test_other_devices_take_another_way_to_the_same_means(pairs):
    planes = stack([pairs[0][0]])[0]
    height, width = planes.shape[1:]
    rows = height - WINDOW + 1
    for step in (rows, 40):
        work = Workspace(3, step, width, planes)
        expected = shifted_means(planes)
        for top in range(0, rows, step):
            taken = min(step, rows - top)
            work.strip(taken).copy_(planes[:, top : top + taken + WINDOW - 1])
            found = work.means(taken)
            torch.testing.assert_close(found, expected[:, top : top + taken], atol=1e-6, rtol=0)
    assert gaussian(planes).sum().item() == pytest.approx(1, abs=1e-6)


def test_the_gpus_way_gives_the_same_values(pairs, monkeypatch):
    one, other = (stack([each]) for each in pairs[0])
    functions = (similarity.ssim, similarity.ssim_matlab)
    expected = [f(one, other) for f in functions]
    monkeypatch.setattr(similarity, "_mean", similarity._mean_at_once)
    for function, value in zip(functions, expected, strict=True):
        torch.testing.assert_close(function(one, other), value, atol=1e-6, rtol=0)


def test_equal_pictures_have_infinite_psnr_and_full_similarity(pairs):
    values = evaluate_pair(stack([pairs[0][0]]), stack([pairs[0][0]]))
    assert math.isinf(values["psnr"].item())
    assert math.isinf(values["psnr_uint8"].item())
    assert values["ssim"].item() == pytest.approx(1, abs=1e-6)
    assert values["ssim_matlab"].item() == pytest.approx(1, abs=1e-6)
    assert values["ie"].item() == 0


def test_flat_pictures_of_one_colour_are_finite():
    flat = torch.full((1, 3, 32, 32), 0.2)
    values = evaluate_pair(flat, torch.full_like(flat, 0.9))
    assert all(torch.isfinite(value).all() for value in values.values())


def test_half_a_grey_level_is_nothing_after_rounding():
    target = torch.full((1, 3, 16, 16), 100 / 255)
    values = evaluate_pair(target + 0.4 / 255, target)
    assert math.isinf(values["psnr_uint8"].item())
    assert values["psnr"].item() == pytest.approx(20 * math.log10(255 / 0.4), abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_averages_of_8_bit_frames_are_rounded_as_whole_numbers_are(seed):
    """Half of all pixels of an average lie half-way between two levels."""
    random = np.random.default_rng(seed)
    first, second, truth = (random.integers(0, 256, (64, 80, 3), dtype=np.uint8) for _ in range(3))
    total = first.astype(np.int64) + second  # Exact: no float takes part.
    expected = total // 2 + ((total % 2 == 1) & (total // 2 % 2 == 1))
    assert (expected == np.rint(total / 2)).all()
    frames = [stack([each / np.float32(255)]) for each in (first, second)]
    for average in (
        (frames[0] + frames[1]) / 2,
        torch.stack(frames).mean(0),
        0.5 * frames[0] + 0.5 * frames[1],
        (frames[0].double() + frames[1].double()) / 2,
    ):
        levels = fidelity.grey_levels(average)[0].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(levels, expected)
        gap = expected - truth.astype(np.int64)
        target = stack([truth / 255])
        found = fidelity.interpolation_error(average, target).item()
        assert found == pytest.approx(np.abs(gap).mean(), rel=1e-6)
        found = fidelity.psnr_uint8(average, target).item()
        assert found == pytest.approx(10 * np.log10(255**2 / (gap**2).mean()), rel=1e-6)


def test_every_level_and_every_half_is_known():
    levels = torch.arange(256, dtype=torch.float64)
    for kind in (torch.float32, torch.float64):
        pictures = (levels / 255).to(kind)
        assert fidelity.grey_levels(pictures).tolist() == levels.tolist()
        halves = ((levels[:-1] + 0.5) / 255).to(kind)
        assert fidelity.grey_levels(halves).tolist() == np.rint(np.arange(255) + 0.5).tolist()
        near = ((levels[:-1] + 0.499) / 255).to(kind)
        assert fidelity.grey_levels(near).tolist() == levels[:-1].tolist()


def test_pictures_with_all_values_are_rounded_exactly():
    """By whole numbers: a float32 in 0 to 1 is a multiple of 2**-149, a Fraction without error."""
    picture = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(5))
    # Half a 1024th beside a half level, where a product that is rounded itself falls a level apart.
    near = (torch.arange(255) + 0.5 - 1 / 2048)[:, None] + torch.linspace(-2e-5, 2e-5, 41)
    for pictures in (picture, (near / 255).float()):
        expected = [round(Fraction(round(Fraction(v) * 255 * 1024), 1024))
                    for v in pictures.flatten().tolist()]  # fmt: skip
        assert fidelity.grey_levels(pictures).flatten().tolist() == expected


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 4))
def test_laws(seed, batch):
    random = torch.Generator().manual_seed(seed)
    target = torch.rand(batch, 3, 24, 30, generator=random)
    other = (target + 0.2 * torch.randn(target.shape, generator=random)).clamp(0, 1)
    values = evaluate_pair(other, target, FRAME)
    assert list(values) == [name for name in FRAME if name != "ms_ssim"]  # too small for it
    for name, value in values.items():
        assert value.shape == (batch,)
        assert value.dtype == torch.float32
        backwards = METRICS.get(name).function(target, other)
        torch.testing.assert_close(value, backwards, atol=2e-6, rtol=1e-6)
        alone = METRICS.get(name).function(other[-1:], target[-1:])
        torch.testing.assert_close(value[-1:], alone, atol=1e-6, rtol=1e-6)
        mirrored = METRICS.get(name).function(other.flip(-1), target.flip(-1))
        torch.testing.assert_close(value, mirrored, atol=2e-6, rtol=1e-6)
        last = METRICS.get(name).function(other.to(memory_format=torch.channels_last), target)
        torch.testing.assert_close(value, last, atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("name", FRAME)
def test_more_noise_is_worse_and_the_direction_is_stated_right(name):
    random = torch.Generator().manual_seed(0)
    target = stack([data.astronaut()[:192, :192].astype(np.float32) / 255])
    noise = torch.randn(target.shape, generator=random)
    values = [METRICS.get(name).function(target + s * noise, target).item() for s in (0.02, 0.1)]
    better, worse = values
    assert (better > worse) == (METRICS.get(name).info.better == "higher")


def test_predictions_are_clamped():
    target = torch.ones(1, 3, 16, 16)
    target[..., :8] = 0
    wild = torch.where(target > 0.5, 7.0, -3.0)
    for name, value in evaluate_pair(wild, target).items():
        expected = METRICS.get(name).function(target, target)
        torch.testing.assert_close(value, expected)


def test_half_precision_predictions_are_judged_in_single():
    target = torch.rand(2, 3, 16, 16)
    half = target.to(torch.bfloat16)
    torch.testing.assert_close(
        similarity.ssim(half, target), similarity.ssim(half.float(), target), atol=0, rtol=0
    )


def test_wrong_shapes_are_errors():
    with pytest.raises(ValueError, match=r"\[B, 3, H, W\], not \[1, 3, 8, 8\] and \[1, 3, 8, 9\]"):
        fidelity.psnr(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
    with pytest.raises(ValueError, match="at least 11 x 11"):
        similarity.ssim(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20))


def test_every_metric_says_what_it_is():
    for name, info in metric_infos().items():
        assert info.name == name
        assert info.definition
        assert info.better in ("higher", "lower")
    assert list(metric_infos()) == list(METRIC_INFOS) == list(METRICS)


def moved(size):
    """Two real pictures [1, 3, size, size], a photograph and itself 3 pixels on."""
    picture = data.astronaut().astype(np.float32) / 255
    return stack([picture[40:][:size, 30 : 30 + size]]), stack(
        [picture[41:][:size, 33 : 33 + size]]
    )


def test_ms_ssim_is_torchmetrics_scale_by_scale():
    """torchmetrics' own multi-scale sum keeps a reflected border at the coarsest scale, which the
    paper has not; so its single-scale function is asked scale by scale."""
    from torchmetrics.functional.image import structural_similarity_index_measure as reference

    for one, other in (moved(192), moved(251)):
        a, b, expected = one.double(), other.double(), 1.0
        for place, exponent in enumerate(similarity.SCALES):
            (_, full) = reference(a, b, data_range=1.0, return_full_image=True)
            (_, contrast) = reference(a, b, data_range=1.0, return_contrast_sensitivity=True)
            last = place == len(similarity.SCALES) - 1
            part = full[..., 5:-5, 5:-5] if last else contrast
            expected *= part.mean().item() ** exponent
            a, b = (torch.nn.functional.avg_pool2d(each, 2) for each in (a, b))
        assert similarity.ms_ssim(one, other).item() == pytest.approx(expected, abs=1e-5)


def test_ms_ssim_of_small_pictures_is_missing_and_of_opposites_zero():
    assert similarity.ms_ssim(*moved(175)) is None
    assert similarity.ms_ssim(*moved(176)) is not None
    one, _ = moved(176)
    assert similarity.ms_ssim(1 - one, one).item() == 0


def test_edge_error_is_scikit_images(pairs):
    from skimage.filters import sobel_h, sobel_v

    def slope(picture):
        luma = picture.astype(float) @ np.array([0.299, 0.587, 0.114])
        # scikit-image divides Sobel's weights by 4 and spans two pixels.
        return np.hypot(sobel_h(luma), sobel_v(luma)) / 2

    for one, other in pairs:
        expected = 255 * np.abs(slope(one) - slope(other)).mean()
        value = METRICS.get("edge").function(stack([one]), stack([other])).item()
        assert value == pytest.approx(expected, rel=1e-5)


def test_a_ramp_has_its_own_slope():
    ramp = torch.arange(32.0).expand(1, 3, 20, 32) * 2 / 255
    flat = torch.zeros_like(ramp)
    inner = METRICS.get("edge").function(ramp, flat).item()
    # Replicated borders halve the slope of the first and last column.
    assert inner == pytest.approx(2 * 31 / 32, rel=1e-5)
