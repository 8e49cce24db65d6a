"""Sum pictures over views under weights, in one operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op, register_autograd

from tempo.kernels.layout import Tiles, fixed_for, tiles_of, wide_type


def blend(views: Tensor, weights: Tensor) -> Tensor:
    """Return the sum over views: [B, N, C, H, W] under [B, N] or [B, N, H, W] -> [B, C, H, W].

    The type is that of the views, and so is the layout: channels-last where theirs is, else
    contiguous. Computed in float32 or wider and rounded once. There is no second derivative.
    """
    out: Tensor = _forward(views, weights)
    return out


def lies_channels_last(views: Tensor) -> bool:
    """Return whether the channels of [B, N, C, H, W] lie innermost in memory."""
    return views.stride(2) == 1 and views.shape[2] > 1


def _arranged(x: Tensor, *, last: bool) -> Tensor:
    """Return `x` [..., C, H, W] with its values in the order of one layout, copied if need be."""
    if not last:
        return x.contiguous()
    return x.movedim(-3, -1).contiguous().movedim(-1, -3)


def _empty(shape: tuple[int, ...], like: Tensor, *, last: bool) -> Tensor:
    """Return an uninitialised tensor [..., C, H, W] in one layout."""
    if not last:
        return like.new_empty(shape)
    return like.new_empty((*shape[:-3], *shape[-2:], shape[-3])).movedim(-1, -3)


@custom_op("tempo::blend", mutates_args=())
def _forward(views: Tensor, weights: Tensor) -> Tensor:
    from tempo.kernels import sums_programs as programs

    last = lies_channels_last(views)
    views, weights = _arranged(views, last=last), weights.contiguous()
    tiles, given = _given(views, weights, last=last)
    out = _empty((views.shape[0], *views.shape[2:]), views, last=last)
    programs.blend[tiles.grid](views, weights, out, tiles.size, **given)
    return out


@_forward.register_fake
def _(views: Tensor, weights: Tensor) -> Tensor:
    last = lies_channels_last(views)
    return _empty((views.shape[0], *views.shape[2:]), views, last=last)


@custom_op("tempo::blend_backward", mutates_args=())
def _backward(
    grad: Tensor, views: Tensor, weights: Tensor, to_views: bool
) -> tuple[Tensor, Tensor]:
    from tempo.kernels import sums_programs as programs

    last = lies_channels_last(views)
    views, grad = _arranged(views, last=last), _arranged(grad, last=last)
    weights = weights.contiguous()
    tiles, given = _given(views, weights, last=last)
    count = views.shape[1]
    by_pixel = weights.dim() == 4
    out = _empty(tuple(views.shape) if to_views else (0, 0, 0), views, last=last)
    if by_pixel:
        sums = torch.empty_like(weights)
    else:
        shape = (tiles.batch, count, tiles.chunks)
        sums = views.new_zeros(shape, dtype=wide_type(views.dtype))
    programs.blend_gradients[(tiles.chunks, 1, tiles.batch)](
        grad,
        views,
        weights,
        out if to_views else views,
        sums,
        tiles.size,
        TO_VIEWS=to_views,
        BLOCKS=tiles.grid[1],
        **given,
    )
    return out, sums if by_pixel else sums.sum(2).to(weights.dtype)


@_backward.register_fake
def _(grad: Tensor, views: Tensor, weights: Tensor, to_views: bool) -> tuple[Tensor, Tensor]:
    shape = tuple(views.shape) if to_views else (0, 0, 0)
    out = _empty(shape, views, last=lies_channels_last(views))
    return out, weights.new_empty(weights.shape)


def _given(views: Tensor, weights: Tensor, *, last: bool) -> tuple[Tiles, dict[str, Any]]:
    """Return the division of `views` and what the programs need to know of it."""
    batch, count, channels, height, width = views.shape
    tiles = tiles_of(batch, channels, height * width)
    return tiles, {
        "pixel_step": channels if last else 1,
        "channel_step": 1 if last else tiles.size,
        "N": count,
        "BY_PIXEL": weights.dim() == 4,
        **fixed_for(tiles, views.dtype),
    }


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    views, weights = ctx.saved_tensors
    to_views, to_weights = ctx.needs_input_grad
    out, sums = _backward(grad, views, weights, to_views)
    return out if to_views else None, sums if to_weights else None


register_autograd("tempo::blend", _gradients, setup_context=_save)


def plain_blend(views: Tensor, weights: Tensor) -> Tensor:
    """Compute the same by PyTorch's own operators."""
    by_pixel = weights if weights.dim() == 4 else weights[..., None, None]
    return (views * by_pixel.to(views.dtype).unsqueeze(2)).sum(1)
