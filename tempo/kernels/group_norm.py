"""Normalise groups of channels and apply the activation, in one operator for the compiler."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.library import custom_op, register_autograd

from tempo.kernels.layout import (
    Tiles,
    channels_last,
    empty_like_last,
    fixed_for,
    power_of_two,
    tiles_of,
    wide_type,
)

ACTIVATIONS = {"none": 0, "gelu": 1, "leaky_relu": 2}
"""How the programs number the activations."""


def group_norm_act(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    groups: int,
    eps: float,
    activation: str = "none",
    slope: float = 0.0,
) -> Tensor:
    """Return act(group_norm(x)): [B, C, H, W] -> the same shape and type, channels-last.

    Statistics, scale and shift are float32 or wider; the result is rounded once. The backward pass
    keeps the input, and a mean and a deviation a group. There is no second derivative.
    """
    out: Tensor = _forward(x, weight, bias, groups, eps, activation, slope)[0]
    return out


@custom_op("tempo::group_norm_act", mutates_args=())
def _forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    groups: int,
    eps: float,
    activation: str,
    slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    from tempo.kernels import group_norm_programs as programs

    x, weight, bias = channels_last(x), weight.contiguous(), bias.contiguous()
    tiles, fixed = _fixed(x, groups)
    wide = wide_type(x.dtype)
    moments = x.new_empty((2, tiles.batch, tiles.chunks, tiles.width), dtype=wide)
    mean, deviation = (x.new_empty((tiles.batch, groups), dtype=wide) for _ in range(2))
    y = empty_like_last(x)
    programs.channel_moments[tiles.grid](
        x, moments[0], moments[1], tiles.size, **_without(fixed, "GROUPS")
    )
    programs.group_statistics[(tiles.batch, groups)](
        moments[0],
        moments[1],
        mean,
        deviation,
        tiles.size,
        tiles.chunks,
        EPS=eps,
        SPAN=tiles.loops * tiles.pixels,
        **_joined(tiles, groups, fixed),
    )
    programs.normalised[tiles.grid](
        x,
        y,
        weight,
        bias,
        mean,
        deviation,
        tiles.size,
        ACT=ACTIVATIONS[activation],
        SLOPE=slope,
        **fixed,
    )
    return y, mean, deviation


@_forward.register_fake
def _(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    groups: int,
    eps: float,
    activation: str,
    slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    statistics = [x.new_empty((x.shape[0], groups), dtype=wide_type(x.dtype)) for _ in range(2)]
    return empty_like_last(x), statistics[0], statistics[1]


@custom_op("tempo::group_norm_act_backward", mutates_args=())
def _backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    deviation: Tensor,
    groups: int,
    activation: str,
    slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    from tempo.kernels import group_norm_programs as programs

    x, grad = channels_last(x), channels_last(grad)
    weight, bias = weight.contiguous(), bias.contiguous()
    tiles, fixed = _fixed(x, groups)
    out = empty_like_last(x)
    sums = x.new_zeros((2, tiles.batch, tiles.chunks, tiles.width), dtype=mean.dtype)
    means = x.new_empty((2, tiles.batch, groups), dtype=mean.dtype)
    act = ACTIVATIONS[activation]
    programs.gradient_sums[tiles.grid](
        grad,
        x,
        weight,
        bias,
        mean,
        deviation,
        sums,
        tiles.size,
        tiles.batch * tiles.chunks,
        ACT=act,
        SLOPE=slope,
        **fixed,
    )
    programs.group_means[(tiles.batch, groups)](
        sums,
        weight,
        means,
        tiles.size,
        tiles.batch,
        tiles.chunks,
        **_joined(tiles, groups, fixed),
    )
    programs.input_gradient[tiles.grid](
        grad,
        x,
        out,
        weight,
        bias,
        mean,
        deviation,
        means,
        tiles.size,
        tiles.batch,
        ACT=act,
        SLOPE=slope,
        **fixed,
    )
    shift, gain = sums.sum((1, 2)).to(weight.dtype).unbind(0)
    return out, gain.clone(), shift.clone()


@_backward.register_fake
def _(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    deviation: Tensor,
    groups: int,
    activation: str,
    slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    return empty_like_last(x), weight.new_empty(weight.shape), weight.new_empty(weight.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, bias, groups, _, activation, slope = inputs
    _, mean, deviation = output
    ctx.save_for_backward(x, weight, bias, mean, deviation)
    ctx.options = groups, activation, slope
    ctx.mark_non_differentiable(mean, deviation)
    ctx.set_materialize_grads(False)


def _gradients(ctx: Any, grad: Tensor | None, *_: object) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 7
    found = _backward(grad, *ctx.saved_tensors, *ctx.options)
    return (*found, None, None, None, None)


register_autograd("tempo::group_norm_act", _gradients, setup_context=_save)


def _fixed(x: Tensor, groups: int) -> tuple[Tiles, dict[str, Any]]:
    """Return the division of `x` and what the programs are compiled for."""
    tiles = tiles_of(x.shape[0], x.shape[1], x.shape[2] * x.shape[3])
    return tiles, {"GROUPS": groups, **fixed_for(tiles, x.dtype)}


def _joined(tiles: Tiles, groups: int, fixed: dict[str, Any]) -> dict[str, Any]:
    """Return what the programs that join chunks are compiled for."""
    kept = _without(fixed, "LOOPS", "PIXELS", "CHANNELS")
    return kept | {
        "WIDTH": power_of_two(tiles.width // groups),
        "CHUNKS": power_of_two(tiles.chunks),
    }


def _without(fixed: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fixed.items() if name not in names}


def plain_group_norm_act(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    groups: int,
    eps: float,
    activation: str = "none",
    slope: float = 0.0,
) -> Tensor:
    """Compute the same by PyTorch's own operators, which take weights of the type of `x`."""
    z = F.group_norm(x, groups, weight.to(x.dtype), bias.to(x.dtype), eps)
    if activation == "gelu":
        return F.gelu(z)
    return F.leaky_relu(z, slope) if activation == "leaky_relu" else z
