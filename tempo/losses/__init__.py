"""Build the training objective from the losses in the table `LOSSES`.

Every loss maps a prediction and a target, [B, 3, H, W] in 0..1 (the prediction not clamped), to one
value a sample, [B]; a batch's loss is their mean. A loss is 0 (Charbonnier and edge: a constant of
the order of eps) for equal pictures and larger otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor, nn

from tempo.core.errors import PluginError
from tempo.losses.reconstruction import (
    L1,
    Census,
    Charbonnier,
    Edge,
    Frequency,
    Gradient,
    Laplacian,
    Ssim,
)
from tempo.spec import losses as options_of
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options


class Objective(nn.Module):
    """Sum named loss terms under weights that may change over the budget.

    Every term maps two pictures [B, 3, H, W] to one value a sample [B], and the objective does too:
    the caller averages over samples, so that any division of a batch gives the same sum.
    """

    def __init__(self, terms: Mapping[str, nn.Module], weights: Mapping[str, Weight]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)
        self.weights = dict(weights)

    def forward(
        self, prediction: Tensor, target: Tensor, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the objective [B] at `progress`, 0 to 1 of the budget, and its bare terms [B]."""
        values = {name: cast(Tensor, term(prediction, target)) for name, term in self.terms.items()}
        total = prediction.new_zeros(prediction.shape[0])
        for name, value in values.items():
            if value.shape != total.shape:
                raise PluginError(
                    f"the loss {name!r} must return one value a sample, a tensor of shape "
                    f"{list(total.shape)} for these {len(total)}, not one of shape "
                    f"{list(value.shape)}; take the mean over channels and pixels alone"
                )
            total = total + self.weights[name].at(progress) * value
        return total, {name: value.detach() for name, value in values.items()}


class Weight:
    """A term's weight: 0 before `start`, then linear from `first` to `last` at the end."""

    def __init__(self, first: float = 1.0, last: float | None = None, start: float = 0.0) -> None:
        self.first = first
        self.last = first if last is None else last
        self.start = start

    def at(self, progress: float) -> float:
        """Return the weight at `progress`, 0 to 1 of the budget."""
        if progress < self.start:
            return 0.0
        share = (progress - self.start) / (1 - self.start)
        return self.first + (self.last - self.first) * share


LOSSES: Implementations[Callable[..., nn.Module]] = Implementations(
    options_of.LOSSES,
    {
        options_of.Charbonnier: Charbonnier,
        options_of.L1: L1,
        options_of.Laplacian: Laplacian,
        options_of.Edge: Edge,
        options_of.Gradient: Gradient,
        options_of.Frequency: Frequency,
        options_of.Census: Census,
        options_of.Ssim: Ssim,
    },
)


def build_objective(options: Options) -> Objective:
    """Return the objective that a recipe's `loss` describes."""
    if isinstance(options, options_of.Sum):
        parts = {term.loss.kind: LOSSES.make(term.loss) for term in options.terms}
        weights = {
            term.loss.kind: Weight(term.weight, term.final, term.start) for term in options.terms
        }
        return Objective(parts, weights)
    return Objective({options.kind: LOSSES.make(options)}, {options.kind: Weight()})
