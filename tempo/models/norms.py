"""Normalise features: group, layer or no normalisation, keeping the memory format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn, unflatten

from tempo.kernels.group_norm import group_norm_act
from tempo.kernels.selection import takes
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations

EPS = 1e-5
SMALLEST_GROUP = 4
"""Channels in a group at least: smaller groups come close to instance normalisation, which erases
a picture's contrast."""


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalise groups of channels (Wu and He 2018): [B, C, H, W] -> same shape, type, layout.

    PyTorch's CUDA kernel (2.11) returns contiguous NCHW whatever comes in, which costs two copies
    between channels-last convolutions. On CUDA this is therefore one scale and one shift per
    sample and channel: plain arithmetic for a compiler to fuse with the neighbours, in eager mode
    a function that saves its input once, in its own type.
    """
    if not (x.is_cuda or _crashes(x, weight)):
        return F.group_norm(x, groups, weight, bias, eps)
    if torch.compiler.is_compiling():
        return fusible_group_norm(x, groups, weight, bias, eps)
    return eager_group_norm(x, groups, weight, bias, eps)


def _crashes(x: Tensor, weight: Tensor) -> bool:
    """Return whether PyTorch's CPU kernel would end the process in the backward pass.

    It does (2.13) for a channels-last input that needs no gradient under weights that do, as
    behind frozen layers.
    """
    return torch.is_grad_enabled() and weight.requires_grad and not x.requires_grad


class GroupStatistics(NamedTuple):
    """Hold statistics in float32 or wider per group, [B, groups, 1]."""

    mean: Tensor
    deviation: Tensor
    """1 / sqrt(variance + eps)."""


def _grouped(x: Tensor, groups: int) -> Tensor:
    """Reshape [..., C] -> [..., groups, C / groups]."""
    return unflatten(x, -1, (groups, -1))


def _over_pixels(values: Tensor) -> Tensor:
    """Reshape [B, groups, C / groups] -> [B, C, 1, 1]."""
    return values.flatten(1)[..., None, None]


def _group_statistics(mean: Tensor, variance: Tensor, groups: int, eps: float) -> GroupStatistics:
    """Return group statistics from means and variances per channel, [B, C]."""
    within = _grouped(variance, groups).mean(2, keepdim=True)
    between, centre = torch.var_mean(_grouped(mean, groups), dim=2, correction=0, keepdim=True)
    return GroupStatistics(centre, torch.rsqrt(within + between + eps))


def fusible_group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Compute in plain arithmetic in float32 or wider, for a compiler to fuse."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, dim=(2, 3), correction=0)
    centre, deviation = _group_statistics(mean, variance, groups, eps)
    scale = deviation * _grouped(weight, groups)
    shift = _grouped(bias, groups) - centre * scale
    return (wide * _over_pixels(scale) + _over_pixels(shift)).to(x.dtype)


def eager_group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Compute the same in few kernels, none of which writes a wide copy of `x`."""
    with torch.autocast(x.device.type, enabled=False):
        out: Tensor = _Eager.apply(x, weight, bias, groups, eps)  # type: ignore[no-untyped-call]
    return out


class _Eager(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
    ) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        mean = x.mean((2, 3), dtype=wide)
        # The root of a sum of squares reduces half types without a wide copy.
        root = torch.linalg.vector_norm(x, 2, (2, 3), dtype=wide)
        variance = (root.square() / x[0, 0].numel() - mean.square()).clamp_min(0)
        centre, deviation = _group_statistics(mean, variance, groups, eps)
        scale = deviation * _grouped(weight, groups)
        shift = _grouped(bias, groups) - centre * scale
        ctx.groups = groups
        ctx.save_for_backward(x, weight, centre, deviation)
        return _affine(x, scale, shift)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, centre, deviation = ctx.saved_tensors
        (grad,) = grads
        wide, groups = centre.dtype, ctx.groups
        pixels = x[0, 0].numel() * (x.shape[1] // groups)
        total = _grouped(grad.sum((2, 3), dtype=wide), groups)
        moment = _grouped((grad * x).sum((2, 3), dtype=wide), groups)
        along = (moment - centre * total) * deviation
        gain = _grouped(weight, groups)
        mean_total = (gain * total).sum(2, keepdim=True) / pixels
        mean_along = (gain * along).sum(2, keepdim=True) / pixels
        slope = -deviation.square() * mean_along
        offset = -deviation * mean_total - centre * slope
        own = _affine(x, slope.expand_as(total), offset.expand_as(total))
        grad_x = own.addcmul_(grad, _over_pixels(gain * deviation))
        return grad_x, along.sum(0).flatten(), total.sum(0).flatten(), None, None


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return x * scale + shift per sample and channel, in the type and layout of `x`.

    Scale and shift stay wide, and the result is rounded once.
    """
    out = torch.empty_like(x)
    return torch.addcmul(_over_pixels(shift), x, _over_pixels(scale), out=out)


def group_count(groups: int, channels: int) -> int:
    """Return the largest divisor of `channels` up to `groups` with `SMALLEST_GROUP` a group."""
    most = max(1, min(groups, channels // SMALLEST_GROUP))
    return next(count for count in range(most, 0, -1) if channels % count == 0)


class AffineNorm(nn.Module):
    """Hold the weight and bias of a normalisation, one of each a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def reset_parameters(self) -> None:
        """Start as the bare normalisation."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)


class GroupNorm(AffineNorm):
    """Normalise groups of channels (Wu and He 2018): [B, C, H, W] -> the same, layout kept."""

    def __init__(self, options: slots.GroupNorm, channels: int) -> None:
        super().__init__(channels)
        self.groups = group_count(options.groups, channels)

    def forward(self, x: Tensor) -> Tensor:
        fused = self.fused(x, "none")
        if fused is not None:
            return fused
        return group_norm(x, self.groups, self.weight, self.bias, EPS)

    def fused(self, x: Tensor, activation: str, slope: float = 0.0) -> Tensor | None:
        """Return the activation of the normalised `x` by the fused kernel, where that is in use."""
        if not takes("group_norm", x, options=(self.groups, activation, slope)):
            return None
        return group_norm_act(x, self.weight, self.bias, self.groups, EPS, activation, slope)


class Layer2d(AffineNorm):
    """Normalise the channels of each pixel (as in ConvNeXt; Liu et al. 2022)."""

    def __init__(self, options: slots.Layer2d, channels: int) -> None:
        super().__init__(channels)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)
        normed = F.layer_norm(pixels, (self.channels,), self.weight, self.bias, EPS)
        return normed.permute(0, 3, 1, 2)


class NoNorm(nn.Identity):
    """Change nothing: the ablation `norm: none`."""

    def __init__(self, options: slots.NoNorm, channels: int) -> None:
        super().__init__()


NORMS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.NORMS, {slots.GroupNorm: GroupNorm, slots.NoNorm: NoNorm, slots.Layer2d: Layer2d}
)
