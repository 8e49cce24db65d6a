"""The fused normalisation under Triton's interpreter; started by test_interpreter.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tempo.kernels.group_norm import ACTIVATIONS, _backward, _forward, group_norm_act
from tempo.kernels.group_norm import plain_group_norm_act as plain
from tests.kernels.comparing import (
    CASES,
    TYPES,
    assert_same,
    check_operator,
    divided,
    needs_interpreter,
    noise,
)

needs_interpreter()
CASES_SEEN: list[object] = []


@CASES
@given(
    batch=st.integers(1, 2),
    groups=st.integers(1, 3),
    members=st.integers(1, 9) | st.sampled_from([16, 32]),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    kind=st.sampled_from(TYPES),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    layout=st.sampled_from(["last", "first", "slice"]),
    mean=st.sampled_from([0.0, 3.0, -8.0]),
    tile=st.sampled_from([64, 128, 256]),
    programs=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 2**20),
)
def test_parity(
    batch: int,
    groups: int,
    members: int,
    height: int,
    width: int,
    kind: torch.dtype,
    activation: str,
    layout: str,
    mean: float,
    tile: int,
    programs: int,
    seed: int,
) -> None:
    channels = groups * members
    if members * height * width < 3:
        height = 3  # A group of one value is its mean, and its gradient is rounding alone.
    if kind is torch.bfloat16:
        mean /= 10
    x = laid(mean + noise(seed, batch, channels, height, width), layout).to(kind)
    wide = torch.float64 if kind is torch.float64 else torch.float32
    weight = 1 + 0.3 * noise(seed + 1, channels).to(wide)
    bias = noise(seed + 2, channels).to(wide)

    def fused(*leaves: Tensor) -> Tensor:
        return group_norm_act(*leaves, groups, 1e-5, activation, 0.2)

    with divided(tile, programs):
        out = assert_same(
            fused, lambda *leaves: plain(*leaves, groups, 1e-5, activation, 0.2), (x, weight, bias)
        )
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert out.dtype == kind
    CASES_SEEN.append(kind)


def laid(x: Tensor, layout: str) -> Tensor:
    """Lay `x` out with its channels innermost, outermost, or as a part of a larger picture."""
    if layout == "slice":
        return torch.nn.functional.pad(x, (1, 1))[..., 1:-1]
    kind = torch.channels_last if layout == "last" else torch.contiguous_format
    return x.contiguous(memory_format=kind)


def test_there_were_enough_cases() -> None:
    assert len(CASES_SEEN) >= 200
    assert set(CASES_SEEN) == set(TYPES)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_slopes_by_differences(activation: str) -> None:
    leaves = (noise(0, 2, 6, 3, 2), 1 + noise(1, 6) / 3, noise(2, 6))
    leaves = tuple(leaf.requires_grad_() for leaf in leaves)
    assert torch.autograd.gradcheck(
        lambda *each: group_norm_act(*each, 2, 1e-5, activation, 0.2), leaves, atol=1e-6
    )


def test_slopes_by_differences_in_float32() -> None:
    leaves = (noise(0, 1, 4, 3, 2), 1 + noise(1, 4) / 3, noise(2, 4))
    single = tuple(leaf.float().requires_grad_() for leaf in leaves)
    assert torch.autograd.gradcheck(
        lambda *each: group_norm_act(*each, 2, 1e-5, "gelu"),
        single,
        eps=1e-2,
        atol=2e-2,
        rtol=2e-2,
        nondet_tol=0.0,
    )


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_operator(kind: torch.dtype) -> None:
    x = noise(0, 2, 8, 3, 5).to(kind).contiguous(memory_format=torch.channels_last)
    weight, bias = noise(1, 8).float().requires_grad_(), noise(2, 8).float().requires_grad_()
    check_operator(_forward, x.requires_grad_(), weight, bias, 2, 1e-5, "gelu", 0.0)
    y, mean, deviation = _forward(x, weight, bias, 2, 1e-5, "gelu", 0.0)
    given = [each.detach() for each in (torch.ones_like(y), x, weight, bias, mean, deviation)]
    check_operator(_backward, *given, 2, "gelu", 0.0)


def test_only_the_input_and_a_statistic_a_group_are_kept() -> None:
    x = noise(0, 2, 8, 3, 5).bfloat16().requires_grad_()
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    weight, bias = torch.ones(8), torch.zeros(8)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        group_norm_act(x, weight, bias, 2, 1e-5, "gelu")
    assert sorted(tuple(each.shape) for each in kept) == [(2, 2), (2, 2), (2, 8, 3, 5), (8,), (8,)]
    assert [each.dtype for each in kept if each.dim() == 4] == [torch.bfloat16]


def test_a_constant_picture_and_a_large_mean() -> None:
    """Where a difference of squares would be all rounding, the variance is right."""
    x = 1000 + 0.01 * noise(0, 1, 4, 16, 16)
    exact = plain(x, torch.ones(4), torch.zeros(4), 1, 1e-5)
    ours = group_norm_act(x.float(), torch.ones(4), torch.zeros(4), 1, 1e-5)
    from_rounded = plain(x.float().double(), torch.ones(4), torch.zeros(4), 1, 1e-5)
    assert torch.allclose(ours.double(), from_rounded, atol=2e-2)
    assert torch.allclose(ours.double(), exact, atol=5e-2)
    same = group_norm_act(torch.full((1, 4, 2, 2), 7.0), torch.ones(4), torch.ones(4), 1, 1e-5)
    assert torch.equal(same, torch.ones(1, 4, 2, 2))
