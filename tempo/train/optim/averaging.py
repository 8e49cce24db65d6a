"""Average weights during training (EMA, schedule-free) or over checkpoints, for evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]


class Averaging:
    """No average of the trained weights: evaluation uses these. Other kinds override methods."""

    def update(self, step: int) -> None:
        """Update the average with the weights after optimiser step `step` (from 1)."""

    def weights(self) -> Weights | None:
        """Return copies of the averaged weights; None when evaluation uses the trained ones."""
        return None

    def load(self, weights: Mapping[str, Tensor] | None) -> None:
        """Restore what `weights` returned."""


class Ema(Averaging):
    """An exponential moving average of the parameters (Polyak and Juditsky 1992).

    The decay rises as (1 + n) / (10 + n) to its value, so that the start is forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._names = [name for name, _ in model.named_parameters()]
        self._live = [each.detach() for each in model.parameters()]
        self._mean = [each.clone() for each in self._live]

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mean, self._live, 1 - decay)

    def weights(self) -> Weights | None:
        return {name: mean.clone() for name, mean in zip(self._names, self._mean, strict=True)}

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor] | None) -> None:
        if weights is not None:
            for name, mean in zip(self._names, self._mean, strict=True):
                mean.copy_(weights[name])


class OptimiserAverage(Averaging):
    """The average that a schedule-free optimiser keeps: the weights of its `eval` mode.

    Its switch there and back rounds, so the trained weights are put back from copies.
    """

    def __init__(self, model: nn.Module, optimiser: Any) -> None:
        self._model, self._optimiser = model, optimiser
        optimiser.train()

    @torch.no_grad()
    def weights(self) -> Weights | None:
        live = dict(self._model.named_parameters())
        kept = {name: each.detach().clone() for name, each in live.items()}
        self._optimiser.eval()
        averaged = {name: each.detach().clone() for name, each in live.items()}
        self._optimiser.train()
        for name, each in live.items():
            each.copy_(kept[name])
        return averaged


def make_averaging(model: nn.Module, optimiser: Any, ema: float | None) -> Averaging:
    """Return an EMA when asked for, otherwise the optimiser's own average, if there is one."""
    if ema is not None:
        return Ema(model, ema)
    if callable(getattr(optimiser, "eval", None)):
        return OptimiserAverage(model, optimiser)
    return Averaging()


@contextmanager
def with_weights(model: nn.Module, weights: Mapping[str, Tensor] | None) -> Iterator[None]:
    """Use `weights` in the model during the block; None leaves the model as it is."""
    if weights is None:
        yield
        return
    live = dict(model.named_parameters())
    kept = {name: each.detach().clone() for name, each in live.items()}
    copy_weights(live, weights)
    try:
        yield
    finally:
        copy_weights(live, kept)


def live_weights(model: nn.Module) -> Weights:
    """Return the tensors of a model that checkpoints hold, by name: the very ones, not copies.

    These are its parameters and, of a network of a plug-in, what it counts beside them, such as
    the statistics of a batch normalisation.
    """
    return model.state_dict(keep_vars=True)


@torch.no_grad()
def copy_weights(live: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Copy `weights` into the tensors of the same names."""
    for name, each in live.items():
        each.copy_(weights[name])


def mean_weights(states: Sequence[Mapping[str, Tensor]]) -> Weights:
    """Average several sets of weights (Izmailov et al. 2018), computed in float64."""
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(first.dtype)
        for name, first in states[0].items()
    }


def weights_hash(states: Sequence[Mapping[str, Tensor]]) -> str:
    """Return the SHA-256 of the names and values of several sets of weights, in hex."""
    digest = sha256()
    for name, value in (item for state in states for item in state.items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()
