"""Add a gated change, and scale what a chain of blocks changed, in one operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op, register_autograd

from tempo.kernels.layout import channels_last, empty_like_last, fixed_for, tiles_of, wide_type


def gated_sum(
    x: Tensor,
    change: Tensor,
    gate: Tensor,
    start: Tensor | None = None,
    scale: Tensor | None = None,
) -> Tensor:
    """Return x + gate * change, or, of that, start + scale * (it - start).

    Pictures are [B, C, H, W] of one type, the gate is [B, C], the scale one number; computed in
    float32 or wider and rounded once. There is no second derivative.

    Raises:
        ValueError: when one of `start` and `scale` comes without the other.
    """
    if (start is None) != (scale is None):
        raise ValueError("a residual group is a start and a scale: give both, or neither")
    out: Tensor = _forward(x, change, gate, start, scale)
    return out


@custom_op("tempo::gated_sum", mutates_args=())
def _forward(
    x: Tensor, change: Tensor, gate: Tensor, start: Tensor | None, scale: Tensor | None
) -> Tensor:
    from tempo.kernels import sums_programs as programs

    x, change, gate = channels_last(x), channels_last(change), gate.contiguous()
    tiles = tiles_of(x.shape[0], x.shape[1], x.shape[2] * x.shape[3])
    out = empty_like_last(x)
    programs.gated_sum[tiles.grid](
        x,
        change,
        gate,
        channels_last(start) if start is not None else x,
        scale if scale is not None else gate,
        out,
        tiles.size,
        GROUP=start is not None,
        **fixed_for(tiles, x.dtype),
    )
    return out


@_forward.register_fake
def _(
    x: Tensor, change: Tensor, gate: Tensor, start: Tensor | None, scale: Tensor | None
) -> Tensor:
    return empty_like_last(x)


@custom_op("tempo::gated_sum_backward", mutates_args=())
def _backward(
    grad: Tensor, x: Tensor, change: Tensor, gate: Tensor, start: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    from tempo.kernels import sums_programs as programs

    grad, x, change, start = map(channels_last, (grad, x, change, start))
    gate = gate.contiguous()
    tiles = tiles_of(x.shape[0], x.shape[1], x.shape[2] * x.shape[3])
    outs = [empty_like_last(x) for _ in range(3)]
    shape = (2, tiles.batch, tiles.chunks, tiles.width)
    sums = x.new_zeros(shape, dtype=wide_type(x.dtype))
    programs.gated_sum_gradients[tiles.grid](
        grad,
        x,
        change,
        gate,
        start,
        scale,
        *outs,
        sums[0],
        sums[1],
        tiles.size,
        GROUP=True,
        **fixed_for(tiles, x.dtype),
    )
    by_gate = sums[0].sum(1).to(gate.dtype)
    by_scale = sums[1].sum().to(scale.dtype).reshape(scale.shape)
    return outs[0], outs[1], by_gate, outs[2], by_scale


@_backward.register_fake
def _(
    grad: Tensor, x: Tensor, change: Tensor, gate: Tensor, start: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    outs = [empty_like_last(x) for _ in range(3)]
    return outs[0], outs[1], gate.new_empty(gate.shape), outs[2], scale.new_empty(scale.shape)


@custom_op("tempo::gated_sum_backward_alone", mutates_args=())
def _backward_alone(grad: Tensor, change: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    from tempo.kernels import sums_programs as programs

    grad, change, gate = channels_last(grad), channels_last(change), gate.contiguous()
    tiles = tiles_of(change.shape[0], change.shape[1], change.shape[2] * change.shape[3])
    out = empty_like_last(change)
    shape = (tiles.batch, tiles.chunks, tiles.width)
    sums = change.new_zeros(shape, dtype=wide_type(change.dtype))
    programs.gated_sum_gradients[tiles.grid](
        grad,
        change,
        change,
        gate,
        change,
        gate,
        out,
        out,
        out,
        sums,
        sums,
        tiles.size,
        GROUP=False,
        **fixed_for(tiles, change.dtype),
    )
    return out, sums.sum(1).to(gate.dtype)


@_backward_alone.register_fake
def _(grad: Tensor, change: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    return empty_like_last(change), gate.new_empty(gate.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, change, gate, start, scale = inputs
    ctx.grouped = start is not None
    # Without a group the gradient of x is the gradient itself, and x is not needed.
    kept = (x, change, gate, start, scale) if ctx.grouped else (change, gate)
    ctx.save_for_backward(*kept)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    if ctx.grouped:
        found: tuple[Tensor, ...] = _backward(grad, *ctx.saved_tensors)
        return found
    to_change, to_gate = _backward_alone(grad, *ctx.saved_tensors)
    return grad, to_change, to_gate, None, None


register_autograd("tempo::gated_sum", _gradients, setup_context=_save)


def plain_gated_sum(
    x: Tensor,
    change: Tensor,
    gate: Tensor,
    start: Tensor | None = None,
    scale: Tensor | None = None,
) -> Tensor:
    """Compute the same by PyTorch's own operators."""
    whole = torch.addcmul(x, change, gate[..., None, None].to(x.dtype))
    return whole if start is None or scale is None else torch.lerp(start, whole, scale.to(x.dtype))
