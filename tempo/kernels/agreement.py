"""Compare a fused kernel with the plain form on the shapes of a call, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tempo.kernels.blend import blend, plain_blend
from tempo.kernels.charbonnier import charbonnier, plain_charbonnier
from tempo.kernels.gated_sum import gated_sum, plain_gated_sum
from tempo.kernels.group_norm import group_norm_act, plain_group_norm_act
from tempo.kernels.layout import wide_type
from tempo.kernels.selection import Call

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2**-6, torch.float16: 2**-9}
"""The largest difference that counts as agreement, as a share of the largest exact value: some
hundred roundings of float32 in sums over a picture, two roundings of the half types."""

EPS = 1e-5


class Forms(NamedTuple):
    """Hold both forms of a kernel, and inputs of one call."""

    fused: Callable[..., Tensor]
    plain: Callable[..., Tensor]
    inputs: Sequence[Tensor]


def largest_difference(call: Call, kind: torch.dtype, device: torch.device) -> float:
    """Return the largest difference between the fused kernel on pictures of `kind` and the plain
    form in float64, of values and gradients, as a share of the largest exact value of each.

    The inputs are noise from a generator of their own.
    """
    forms = forms_of(call, kind, device)
    leaves = [each.detach().requires_grad_() for each in forms.inputs]
    exact = [each.detach().double().requires_grad_() for each in forms.inputs]
    with torch.enable_grad(), torch.autocast(device.type, enabled=False):
        ours, theirs = forms.fused(*leaves), forms.plain(*exact)
        pull = _noise(device)(*ours.shape).to(ours.dtype)
        found = (ours, *torch.autograd.grad(ours, leaves, pull))
        wanted = (theirs, *torch.autograd.grad(theirs, exact, pull.double()))
    return max(_share(one, other) for one, other in zip(found, wanted, strict=True))


def _share(one: Tensor, exact: Tensor) -> float:
    """Return the largest difference over the largest exact value; infinite where one is no
    number."""
    gap = (one.detach().double() - exact.detach()).abs().amax()
    share = float(gap / exact.detach().abs().amax().clamp_min(1e-6))
    return math.inf if math.isnan(share) else share


def _noise(device: torch.device) -> Callable[..., Tensor]:
    generator = torch.Generator(device).manual_seed(0)
    return lambda *shape: torch.randn(shape, generator=generator, device=device)


def forms_of(call: Call, kind: torch.dtype, device: torch.device) -> Forms:
    """Return both forms of the kernel of `call`, and inputs like its own, pictures in `kind`."""
    return _FORMS[call.kernel](call, kind, device)


def _group_norm(call: Call, kind: torch.dtype, device: torch.device) -> Forms:
    groups, activation, slope = call.options
    noise, width = _noise(device), call.shape[1]
    picture = noise(*call.shape).to(kind).contiguous(memory_format=torch.channels_last)
    wide = wide_type(kind)
    inputs = picture, 1 + noise(width).to(wide) / 4, noise(width).to(wide)
    return Forms(
        lambda x, gain, shift: group_norm_act(x, gain, shift, groups, EPS, activation, slope),
        lambda x, gain, shift: plain_group_norm_act(x, gain, shift, groups, EPS, activation, slope),
        inputs,
    )


def _gated_sum(call: Call, kind: torch.dtype, device: torch.device) -> Forms:
    (grouped,) = call.options
    noise, last = _noise(device), torch.channels_last
    pictures = [noise(*call.shape).to(kind).contiguous(memory_format=last) for _ in range(3)]
    gate = noise(*call.shape[:2]).sigmoid().to(kind)
    inputs = [*pictures[:2], gate]
    if grouped:
        inputs += [pictures[2], torch.tensor(0.1, device=device)]
    return Forms(gated_sum, plain_gated_sum, inputs)


def _blend(call: Call, kind: torch.dtype, device: torch.device) -> Forms:
    shared, last = call.options
    noise = _noise(device)
    views = noise(*call.shape).to(kind)
    if last:
        views = views.movedim(2, -1).contiguous().movedim(-1, 2)
    batch, count, _, height, width = call.shape
    weights = noise(batch, count) if shared else noise(batch, count, height, width)
    return Forms(blend, plain_blend, (views, weights.softmax(1).to(wide_type(kind))))


def _charbonnier(call: Call, kind: torch.dtype, device: torch.device) -> Forms:
    (eps,) = call.options
    noise = _noise(device)
    return Forms(
        lambda one, other: charbonnier(one, other, eps),
        lambda one, other: plain_charbonnier(one, other, eps),
        [noise(*call.shape).to(kind) for _ in range(2)],
    )


_FORMS: dict[str, Callable[[Call, torch.dtype, torch.device], Forms]] = {
    "group_norm": _group_norm,
    "gated_sum": _gated_sum,
    "blend": _blend,
    "charbonnier": _charbonnier,
}
