"""Compute the Charbonnier loss with its mean over each sample, in one operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op, register_autograd

from tempo.kernels.layout import row_of, triton_type, wide_type


def charbonnier(prediction: Tensor, target: Tensor, eps: float) -> Tensor:
    """Return mean sqrt((prediction - target)^2 + eps^2) of each sample, [B], float32 or wider.

    Both are [B, ...] of one shape. The picture of differences is never written. There is no
    second derivative.
    """
    out: Tensor = _forward(prediction, target, eps)
    return out


def _dense(x: Tensor, like: Tensor) -> Tensor:
    """Return `x` with its values in memory in the order of those of `like`.

    Channels-last where `like` is, else contiguous.
    """
    last = like.dim() == 4 and not like.is_contiguous()
    return x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


@custom_op("tempo::charbonnier", mutates_args=())
def _forward(prediction: Tensor, target: Tensor, eps: float) -> Tensor:
    from tempo.kernels import sums_programs as programs

    target, prediction = _dense(target, prediction), _dense(prediction, prediction)
    wide = wide_type(prediction.dtype)
    row, batch = row_of(prediction[0].numel()), len(prediction)
    sums = prediction.new_empty((batch, row.chunks), dtype=wide)
    programs.charbonnier[(row.chunks, batch)](
        prediction,
        target,
        sums,
        row.size,
        EPS=eps,
        LOOPS=row.loops,
        VALUES=row.values,
        WIDE=triton_type(wide),
    )
    return sums.sum(1) / row.size


@_forward.register_fake
def _(prediction: Tensor, target: Tensor, eps: float) -> Tensor:
    return prediction.new_empty(prediction.shape[0], dtype=wide_type(prediction.dtype))


@custom_op("tempo::charbonnier_backward", mutates_args=())
def _backward(grad: Tensor, prediction: Tensor, target: Tensor, eps: float) -> Tensor:
    from tempo.kernels import sums_programs as programs

    target, prediction = _dense(target, prediction), _dense(prediction, prediction)
    row, batch = row_of(prediction[0].numel()), len(prediction)
    out = torch.empty_like(prediction)
    programs.charbonnier_gradient[(row.chunks, batch)](
        grad / row.size,
        prediction,
        target,
        out,
        row.size,
        EPS=eps,
        LOOPS=row.loops,
        VALUES=row.values,
        WIDE=triton_type(wide_type(prediction.dtype)),
    )
    return out


@_backward.register_fake
def _(grad: Tensor, prediction: Tensor, target: Tensor, eps: float) -> Tensor:
    return torch.empty_like(_dense(prediction, prediction))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    prediction, target, ctx.eps = inputs
    ctx.save_for_backward(prediction, target)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    prediction, target = ctx.saved_tensors
    out = _backward(grad.contiguous(), prediction, target, ctx.eps)
    to_prediction, to_target, _ = ctx.needs_input_grad
    return out if to_prediction else None, -out.to(target.dtype) if to_target else None, None


register_autograd("tempo::charbonnier", _gradients, setup_context=_save)


def plain_charbonnier(prediction: Tensor, target: Tensor, eps: float) -> Tensor:
    """Compute the same by PyTorch's own operators."""
    return ((prediction - target).square() + eps**2).sqrt().flatten(1).mean(1)
