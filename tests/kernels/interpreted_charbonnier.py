"""The fused Charbonnier loss under Triton's interpreter; started by test_interpreter.py."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tempo.kernels.charbonnier import _backward, _forward, charbonnier, plain_charbonnier
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
    batch=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    kind=st.sampled_from(TYPES),
    layouts=st.tuples(st.booleans(), st.booleans()),
    eps=st.sampled_from([1e-3, 1e-2]),
    tile=st.sampled_from([16, 64, 256]),
    programs=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 2**20),
)
def test_parity(
    batch: int,
    height: int,
    width: int,
    kind: torch.dtype,
    layouts: tuple[bool, bool],
    eps: float,
    tile: int,
    programs: int,
    seed: int,
) -> None:
    pictures = [
        noise(seed + number, batch, 3, height, width)
        .to(kind)
        .contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
        for number, last in enumerate(layouts)
    ]
    with divided(tile, programs):
        out = assert_same(
            lambda *each: charbonnier(*each, eps),
            lambda *each: plain_charbonnier(*each, eps),
            pictures,
        )
    assert out.dtype == torch.promote_types(kind, torch.float32)
    CASES_SEEN.append(kind)


def test_there_were_enough_cases() -> None:
    assert len(CASES_SEEN) >= 200
    assert set(CASES_SEEN) == set(TYPES)


def test_slopes_by_differences() -> None:
    leaves = [noise(each, 2, 3, 2, 3).requires_grad_() for each in range(2)]
    assert torch.autograd.gradcheck(lambda *each: charbonnier(*each, 1e-2), leaves)
    single = [each.detach().float().requires_grad_() for each in leaves]
    assert torch.autograd.gradcheck(
        lambda *each: charbonnier(*each, 0.1), single, eps=1e-2, atol=2e-2, rtol=2e-2
    )


def test_operators() -> None:
    prediction, target = (noise(each, 2, 3, 4, 5).float() for each in range(2))
    last = prediction.contiguous(memory_format=torch.channels_last)
    for picture in (prediction, last):
        check_operator(_forward, picture.detach().requires_grad_(), target, 1e-3)
        check_operator(_backward, torch.ones(2), picture, target, 1e-3)


def test_equal_pictures_cost_eps_and_have_no_slope() -> None:
    picture = noise(0, 2, 3, 5, 5).float().requires_grad_()
    loss = charbonnier(picture, picture.detach(), 1e-3)
    (slope,) = torch.autograd.grad(loss.sum(), picture)
    assert torch.allclose(loss, torch.full((2,), 1e-3))
    assert not slope.any()
