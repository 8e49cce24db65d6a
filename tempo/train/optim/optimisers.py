"""Optimisers by name, and which parameters decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tempo.core.errors import MissingError
from tempo.spec.options import Options
from tempo.spec.recipe import AdamW, ScheduleFreeAdamW


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weights of two or more dimensions decay; norms, biases and scales do not."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
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


OPTIMISERS: dict[str, Callable[[Any, nn.Module, float], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "schedule_free": _schedule_free,
}


def build_optimiser(options: Options, model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """The optimiser of a recipe over the parameters of `model`.

    Raises:
        MissingError: when its library is not installed; says what to install.
    """
    return OPTIMISERS[options.kind](options, model, lr)


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = lr
