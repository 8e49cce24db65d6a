"""Compare a fused kernel with the plain form in float64, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import Tensor

from tempo.kernels import layout
from tempo.kernels.selection import interpreted

TOLERANCE = {torch.float64: 1e-7, torch.float32: 5e-5, torch.bfloat16: 2**-6}
"""Of the largest value of a result. In float64 constants of the programs are float32, and the
interpreter cuts bfloat16 off where a GPU rounds it."""

CASES = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

TYPES = [torch.float32, torch.bfloat16, torch.float64]


def needs_interpreter() -> None:
    """Refuse to pass where Triton would not interpret its kernels."""
    assert interpreted(), "run this file with TRITON_INTERPRET=1"


@contextmanager
def divided(tile: int, programs: int) -> Iterator[None]:
    """Divide pictures into small tiles and few programs, so that small ones take all ways."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "TILE", tile)
        patch.setattr(layout, "PROGRAMS", programs)
        patch.setattr(layout, "MOST_CHUNKS", programs)
        yield


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_same(
    fused: Callable[..., Tensor], plain: Callable[..., Tensor], inputs: Sequence[Tensor]
) -> Tensor:
    """Compare values and gradients of floating inputs; returns what the fused form returned."""
    kind = inputs[0].dtype
    leaves = [each.detach().requires_grad_() for each in inputs]
    exact = [each.detach().double().requires_grad_() for each in inputs]
    ours, theirs = fused(*leaves), plain(*exact)
    assert ours.shape == theirs.shape
    pull = noise(99, *ours.shape)
    found = torch.autograd.grad(ours, leaves, pull.to(ours.dtype))
    wanted = torch.autograd.grad(theirs, exact, pull.to(ours.dtype).double())
    for leaf, own in zip(leaves, found, strict=True):
        assert own.dtype == leaf.dtype
        assert own.shape == leaf.shape
    for one, other in zip((ours, *found), (theirs, *wanted), strict=True):
        largest = float(other.detach().abs().max())
        error = float((one.detach().double() - other.detach()).abs().max())
        assert error <= TOLERANCE[kind] * (largest + 1e-3), (kind, error, largest)
    return ours


def check_operator(operator: object, *arguments: object) -> None:
    """Let torch check schema, fake implementation, autograd and compilation of an operator."""
    torch.library.opcheck(operator, arguments)  # type: ignore[arg-type]
