"""Compute the training objective: one loss, or a weighted sum of losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn


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
