"""Say which fused kernels this process uses, and record the calls that they would take.

The choice is a switch of the process, like `torch.backends.cudnn.benchmark`: the engine sets it at
the start of a run, and every network of the process follows. Nothing is fused before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor

NAMES = ("group_norm", "gated_sum", "blend", "charbonnier")
"""The fused kernels: normalisation with its activation, the gated sum of a block with its residual
group, the weighted sum over views, and the Charbonnier loss with its mean."""


class Call(NamedTuple):
    """Describe a call of a kernel: its name, the shape and type of its pictures, its options."""

    kernel: str
    shape: tuple[int, ...]
    kind: torch.dtype
    options: tuple[Any, ...] = ()


class _Switch:
    used: frozenset[str] = frozenset()
    recorded: dict[Call, None] | None = None


def used() -> frozenset[str]:
    """Return the names of the fused kernels in use."""
    return _Switch.used


def use(names: Iterable[str]) -> None:
    """Use the fused kernels called `names`, and no others, from now on.

    Raises:
        ValueError: for a name that is none of `NAMES`.
    """
    wanted = frozenset(names)
    if unknown := sorted(wanted - set(NAMES)):
        raise ValueError(f"no fused kernel is called {unknown[0]!r}; there are {', '.join(NAMES)}")
    _Switch.used = wanted


@contextmanager
def using(names: Iterable[str]) -> Iterator[None]:
    """Use the fused kernels called `names` within a block."""
    before = _Switch.used
    use(names)
    try:
        yield
    finally:
        use(before)


@contextmanager
def recording() -> Iterator[dict[Call, None]]:
    """Collect, in order and once each, the calls that fused kernels would take in a block."""
    before, found = _Switch.recorded, dict[Call, None]()
    _Switch.recorded = found
    try:
        yield found
    finally:
        _Switch.recorded = before


def takes(kernel: str, x: Tensor, options: tuple[Any, ...] = ()) -> bool:
    """Return whether a fused kernel carries out this call: it is in use, and can run here."""
    if _Switch.recorded is not None and not torch.compiler.is_compiling():
        _Switch.recorded.setdefault(Call(kernel, tuple(x.shape), x.dtype, options))
    return kernel in _Switch.used and (x.is_cuda or interpreted())


def interpreted() -> bool:
    """Return whether Triton runs its kernels in Python, on any device: in tests."""
    return _INTERPRETED


_INTERPRETED = os.environ.get("TRITON_INTERPRET", "0").lower() in {"1", "true", "on", "y", "yes"}


@cache
def has_triton() -> bool:
    """Return whether the package that compiles the kernels is installed."""
    return find_spec("triton") is not None
