"""The fused gated sum under Triton's interpreter; started by test_interpreter.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tempo.kernels.gated_sum import (
    _backward,
    _backward_alone,
    _forward,
    gated_sum,
    plain_gated_sum,
)
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
CASES_SEEN: list[tuple[object, bool]] = []


@CASES
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 20) | st.sampled_from([32, 40, 64, 96]),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    kind=st.sampled_from(TYPES),
    grouped=st.booleans(),
    last=st.booleans(),
    tile=st.sampled_from([32, 64, 256]),
    programs=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 2**20),
)
def test_parity(
    batch: int,
    channels: int,
    height: int,
    width: int,
    kind: torch.dtype,
    grouped: bool,
    last: bool,
    tile: int,
    programs: int,
    seed: int,
) -> None:
    memory = torch.channels_last if last else torch.contiguous_format
    shape = (batch, channels, height, width)
    pictures = [
        noise(seed + number, *shape).to(kind).contiguous(memory_format=memory)
        for number in range(3 if grouped else 2)
    ]
    wide = torch.float64 if kind is torch.float64 else torch.float32
    gate = noise(seed + 3, batch, channels).sigmoid().to(wide)
    inputs = [*pictures[:2], gate, *pictures[2:]]
    if grouped:
        inputs.append(torch.tensor(0.1, dtype=wide))
    with divided(tile, programs):
        out = assert_same(gated_sum, plain_gated_sum, inputs)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert out.dtype == kind
    CASES_SEEN.append((kind, grouped))


def test_there_were_enough_cases() -> None:
    assert len(CASES_SEEN) >= 200
    assert len(set(CASES_SEEN)) == 6


@pytest.mark.parametrize("grouped", [False, True])
def test_slopes_by_differences(grouped: bool) -> None:
    inputs = [noise(0, 2, 3, 2, 3), noise(1, 2, 3, 2, 3), noise(2, 2, 3)]
    if grouped:
        inputs += [noise(3, 2, 3, 2, 3), torch.tensor(0.3, dtype=torch.float64)]
    leaves = [each.requires_grad_() for each in inputs]
    assert torch.autograd.gradcheck(gated_sum, leaves)
    single = [each.detach().float().requires_grad_() for each in inputs]
    assert torch.autograd.gradcheck(gated_sum, single, eps=1e-2, atol=1e-2, rtol=1e-2)


def test_operators() -> None:
    x, change, start = (noise(each, 2, 8, 3, 2).bfloat16().requires_grad_() for each in range(3))
    gate, scale = noise(3, 2, 8).float().requires_grad_(), torch.tensor(0.1, requires_grad=True)
    check_operator(_forward, x, change, gate, start, scale)
    check_operator(_forward, x, change, gate, None, None)
    plain = [each.detach() for each in (x, x, change, gate, start, scale)]
    check_operator(_backward, *plain)
    check_operator(_backward_alone, *plain[1:4])


def test_a_start_needs_a_scale() -> None:
    x = noise(0, 1, 2, 2, 2)
    with pytest.raises(ValueError, match="give both, or neither"):
        gated_sum(x, x, noise(1, 1, 2), x)


def test_without_a_group_its_input_is_not_kept() -> None:
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    x, change = noise(0, 1, 4, 3, 3).requires_grad_(), noise(1, 1, 4, 3, 3)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        gated_sum(x, change, noise(2, 1, 4))
    assert [tuple(each.shape) for each in kept] == [(1, 4, 3, 3), (1, 4)]
