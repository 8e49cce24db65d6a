"""The fused sum over views under Triton's interpreter; started by test_interpreter.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tempo.kernels.blend import _backward, _forward, blend, plain_blend
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
CASES_SEEN: list[tuple[object, bool, str]] = []


def laid(x: Tensor, layout: str) -> Tensor:
    """Lay [B, N, C, H, W] out with its channels innermost or not, or as a part of a larger one."""
    if layout == "slice":
        return torch.nn.functional.pad(x, (1, 1))[..., 1:-1]
    return x.movedim(2, -1).contiguous().movedim(-1, 2) if layout == "last" else x


@CASES
@given(
    batch=st.integers(1, 2),
    views=st.integers(1, 3),
    channels=st.integers(1, 9) | st.sampled_from([32, 40]),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    kind=st.sampled_from(TYPES),
    by_pixel=st.booleans(),
    layout=st.sampled_from(["last", "first", "slice"]),
    tile=st.sampled_from([64, 128, 256]),
    programs=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 2**20),
)
def test_parity(
    batch: int,
    views: int,
    channels: int,
    height: int,
    width: int,
    kind: torch.dtype,
    by_pixel: bool,
    layout: str,
    tile: int,
    programs: int,
    seed: int,
) -> None:
    pictures = laid(noise(seed, batch, views, channels, height, width).to(kind), layout)
    wide = torch.float64 if kind is torch.float64 else torch.float32
    shape = (batch, views, height, width) if by_pixel else (batch, views)
    weights = noise(seed + 1, *shape).softmax(1).to(wide)
    with divided(tile, programs):
        out = assert_same(blend, plain_blend, (pictures, weights))
    if layout == "last" and channels > 1:
        assert out.is_contiguous(memory_format=torch.channels_last)
    else:
        assert out.is_contiguous()
    assert out.dtype == kind
    CASES_SEEN.append((kind, by_pixel, layout))


def test_there_were_enough_cases() -> None:
    assert len(CASES_SEEN) >= 200
    assert [len(set(values)) for values in zip(*CASES_SEEN, strict=True)] == [3, 2, 3]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 2, 4)])
def test_slopes_by_differences(shape: tuple[int, ...]) -> None:
    leaves = [noise(0, 2, 3, 2, 2, 4).requires_grad_(), noise(1, *shape).requires_grad_()]
    assert torch.autograd.gradcheck(blend, leaves)
    single = [each.detach().float().requires_grad_() for each in leaves]
    assert torch.autograd.gradcheck(blend, single, eps=1e-2, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("layout", ["last", "first"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 2, 4)])
def test_operators(layout: str, shape: tuple[int, ...]) -> None:
    views = laid(noise(0, 2, 3, 8, 2, 4).bfloat16(), layout)
    weights = noise(1, *shape).float()
    check_operator(_forward, views.detach().requires_grad_(), weights.detach().requires_grad_())
    for wanted in (True, False):
        check_operator(_backward, plain_blend(views, weights), views, weights, wanted)


def test_frames_that_need_no_gradient_get_none() -> None:
    views, weights = noise(0, 1, 2, 3, 4, 4), noise(1, 1, 2).requires_grad_()
    blend(views, weights).sum().backward()
    assert views.grad is None
    assert weights.grad is not None
    assert torch.allclose(weights.grad, views.sum((2, 3, 4)))
