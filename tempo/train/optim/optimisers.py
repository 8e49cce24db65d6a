"""Build optimisers by name, compute learning rates as functions of steps, clip gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tempo.core.errors import MissingError
from tempo.spec import recipe
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options
from tempo.spec.recipe import AdamW, Constant, Cosine, OneCycle, ScheduleFreeAdamW, StepDecay


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split the parameters that are trained in two groups: weights of two or more dimensions decay,
    others do not."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        leaf = name.rpartition(".")[2]
        decays = parameter.ndim >= 2 and "bias" not in leaf and "scale" not in leaf
        (decayed if decays else kept).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]


def _adamw(options: AdamW, model: nn.Module, lr: float) -> torch.optim.Optimizer:
    groups = parameter_groups(model, options.weight_decay)
    return torch.optim.AdamW(groups, lr=lr, betas=options.betas, eps=options.eps, fused=True)


def _schedule_free(
    options: ScheduleFreeAdamW, model: nn.Module, lr: float
) -> torch.optim.Optimizer:
    try:
        import schedulefree
    except ImportError:
        raise MissingError(
            "optimiser schedule_free needs the package schedulefree: pip install schedulefree"
        ) from None
    groups = parameter_groups(model, options.weight_decay)
    optimiser: torch.optim.Optimizer = schedulefree.AdamWScheduleFree(
        groups, lr=lr, betas=options.betas, eps=options.eps
    )
    return optimiser


OPTIMISERS: Implementations[Callable[[Any, nn.Module, float], torch.optim.Optimizer]] = (
    Implementations(recipe.OPTIMISERS, {AdamW: _adamw, ScheduleFreeAdamW: _schedule_free})
)


def build_optimiser(options: Options, model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Build the optimiser of a recipe over the parameters of `model`.

    Raises:
        MissingError: when its library is not installed; says what to install.
    """
    return OPTIMISERS.make(options, model, lr)


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = lr


Curve = Callable[[Any, float, float], float]
"""(options, peak rate, share of the time after warmup, 0 to 1) -> rate."""


def _half_cosine(high: float, low: float, share: float) -> float:
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2


CURVES: Implementations[Curve] = Implementations(
    recipe.SCHEDULES,
    {
        Constant: lambda options, peak, share: peak,
        Cosine: lambda options, peak, share: _half_cosine(peak, min(options.min_lr, peak), share),
        OneCycle: lambda options, peak, share: _half_cosine(peak, peak / options.end, share),
    },
)


def learning_rate(options: Options, peak: float, warmup: int, steps: int, step: int) -> float:
    """Return the rate of step index `step` (from 0) of `steps`, after `warmup` steps at `peak`."""
    if isinstance(options, StepDecay):
        passed = sum(step >= part * steps for part in options.at)
        return peak * _rise(options, warmup, step) * options.factor**passed
    if step < warmup:
        return peak * _rise(options, warmup, step)
    share = (step - warmup) / max(1, steps - warmup)
    return float(CURVES.make(options, peak, min(share, 1.0)))


def _rise(options: Options, warmup: int, step: int) -> float:
    if step >= warmup:
        return 1.0
    if isinstance(options, OneCycle):
        return _half_cosine(1 / options.start, 1.0, step / warmup)
    return (step + 1) / warmup


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float | None) -> Tensor:
    """Scale all gradients so that their global 2-norm is at most `limit`; return the norm before.

    The gradients are those of the unscaled loss, so that a limit means the same in every precision.
    """
    gradients = [each.grad for each in parameters if each.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if limit is not None:
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        # A norm that is not finite must not spread over gradients that are.
        torch._foreach_mul_(gradients, torch.where(norm.isfinite(), factor, 1.0))
    return norm
