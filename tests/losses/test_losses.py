"""Laws of every loss, gradients against finite differences, and what each one is for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from tempo.losses import LOSSES, build_objective
from tempo.spec import losses as options
from tempo.spec.losses import LOSSES as OPTIONS
from tempo.spec.options import parse_slot
from tests.reference_vgg import small_vgg

SINGLE = sorted(LOSSES)


def loss_of(kind: str, **chosen: object) -> nn.Module:
    if kind in {"perceptual", "style"}:
        # Pictures of 8 pixels are the smallest here, and a deeper layer would see nothing of them.
        chosen = {"weights": small_vgg(), "layers": {"conv1_1": 1.0, "relu3_2": 1.0}, **chosen}
    return LOSSES.make(parse_slot(OPTIONS, {"kind": kind, **chosen})).double()


def pictures(seed: int, batch: int = 2, side: int = 16) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, side, side, generator=random, dtype=torch.float64)


def test_every_option_has_a_loss() -> None:
    assert set(LOSSES) == set(OPTIONS) - {"sum", "distillation"}
    assert LOSSES.missing == ["distillation", "sum"], "those are made of others"


@pytest.mark.parametrize("kind", SINGLE)
def test_one_value_a_sample_whatever_its_batch_mates(kind: str) -> None:
    loss = loss_of(kind)
    prediction, target = pictures(0, 3), pictures(1, 3)
    values = loss(prediction, target)
    assert values.shape == (3,)
    alone = torch.cat([loss(prediction[i : i + 1], target[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(values, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", SINGLE)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_target_itself_is_best(kind: str, seed: int) -> None:
    loss = loss_of(kind)
    target = pictures(seed)
    floor = loss(target, target)
    assert (floor < 1e-2).all() and (floor >= -1e-12).all()
    for size in (1e-3, 0.1):
        moved = target + size * (pictures(seed + 1) - 0.5)
        assert (loss(moved, target) > floor).all()


@pytest.mark.parametrize("kind", SINGLE)
def test_larger_errors_of_one_shape_cost_more(kind: str) -> None:
    loss, target = loss_of(kind), pictures(3)
    error = pictures(4) - 0.5
    costs = torch.stack([loss(target + size * error, target) for size in (0.05, 0.1, 0.2)])
    assert (costs.diff(dim=0) > 0).all()


@pytest.mark.parametrize("kind", SINGLE)
def test_gradients_agree_with_finite_differences(kind: str) -> None:
    side = 8
    prediction = pictures(5, 1, side).requires_grad_()
    target = pictures(6, 1, side)
    assert torch.autograd.gradcheck(
        lambda p: loss_of(kind)(p, target).sum(), (prediction,), eps=1e-7, atol=1e-5
    )


@pytest.mark.parametrize("kind", SINGLE)
def test_gradients_of_equal_pictures_are_finite(kind: str) -> None:
    target = pictures(7).float()
    prediction = target.clone().requires_grad_()
    loss_of(kind).float()(prediction, target).sum().backward()
    assert prediction.grad is not None and prediction.grad.isfinite().all()


@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize("size", [(9, 12), (24, 17)])
def test_any_size_works(kind: str, size: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    prediction, target = (torch.rand(1, 3, *size, generator=random) for _ in range(2))
    assert loss_of(kind).float()(prediction, target).isfinite().all()


def test_charbonnier_is_its_formula() -> None:
    prediction, target = pictures(8), pictures(9)
    expected = ((prediction - target) ** 2 + 0.01**2).sqrt().mean(dim=(1, 2, 3))
    torch.testing.assert_close(loss_of("charbonnier", eps=0.01)(prediction, target), expected)


def test_ssim_agrees_with_scikit_image() -> None:
    prediction, target = pictures(10, 1, 24), pictures(11, 1, 24)
    mean, full = structural_similarity(
        prediction[0].permute(1, 2, 0).numpy(),
        target[0].permute(1, 2, 0).numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=2,
        full=True,
    )
    del mean
    inside = full[5:-5, 5:-5].mean()
    assert loss_of("ssim")(prediction, target).item() == pytest.approx(1 - inside, abs=1e-9)


def test_the_census_ignores_brightness_and_sees_structure() -> None:
    target = pictures(12)
    brighter = loss_of("census")(target + 0.2, target)
    other = loss_of("census")(pictures(13), target)
    assert (brighter < 1e-12).all() and (other > 0.05).all()


def test_the_gradient_loss_ignores_a_constant_and_punishes_blur() -> None:
    target = pictures(14)
    assert (loss_of("gradient")(target + 0.1, target) < 1e-12).all()
    blurred = nn.functional.avg_pool2d(target, 3, 1, 1)
    assert (loss_of("gradient")(blurred, target) > 0.1).all()


def test_edges_of_the_target_weigh_more() -> None:
    target = torch.zeros(1, 3, 16, 16, dtype=torch.float64)
    target[..., 8:] = 1
    on_edge, off_edge = target.clone(), target.clone()
    on_edge[..., 7] += 0.1
    off_edge[..., 2] += 0.1
    loss = loss_of("edge")
    assert loss(on_edge, target) > 2 * loss(off_edge, target)
    plain = loss_of("edge", strength=0.0)
    torch.testing.assert_close(plain(on_edge, target), plain(off_edge, target))


def test_a_shift_of_the_mean_costs_the_laplacian_its_coarsest_level() -> None:
    target = pictures(15, 1, 64)
    loss = loss_of("laplacian", levels=3)
    assert loss(target + 0.1, target).item() == pytest.approx(0.1 * 2**3, rel=1e-9)


def test_the_frequency_loss_sees_errors_the_size_of_their_spectrum() -> None:
    target = torch.zeros(1, 3, 16, 16, dtype=torch.float64)
    flat = target + 0.1
    # A constant is one coefficient of size 0.1 * 16 among 256.
    assert loss_of("frequency")(flat, target).item() == pytest.approx(0.1 * 16 / 256, abs=1e-5)


def test_a_sum_is_the_sum_of_its_weighted_terms() -> None:
    chosen = parse_slot(
        OPTIONS,
        {
            "kind": "sum",
            "terms": [
                {"loss": "l1"},
                {
                    "loss": {"kind": "census", "radius": 1},
                    "weight": 0.5,
                    "final": 0.1,
                    "start": 0.2,
                },
            ],
        },
    )
    objective = build_objective(chosen)
    prediction, target = pictures(16), pictures(17)
    l1 = loss_of("l1")(prediction, target)
    census = loss_of("census", radius=1)(prediction, target)
    for progress, weight in ((0.0, 0.0), (0.2, 0.5), (0.6, 0.3), (1.0, 0.1)):
        total, terms = objective(prediction, target, progress)
        torch.testing.assert_close(total, l1 + weight * census)
        assert set(terms) == {"l1", "census"}
        torch.testing.assert_close(terms["census"], census)


def test_a_sum_needs_distinct_single_losses() -> None:
    with pytest.raises(ValidationError, match="appears once"):
        options.Sum(terms=(options.Term(loss=options.L1()), options.Term(loss=options.L1())))
    with pytest.raises(ValidationError, match="not sums"):
        options.Term(loss=options.Sum(terms=(options.Term(loss=options.L1()),)))
    with pytest.raises(ValidationError, match="odd side"):
        options.Ssim(window=8)
