"""Build the training objective from the losses in the table `LOSSES`.

Every loss maps a prediction and a target, [B, 3, H, W] in 0..1 (the prediction not clamped), to one
value a sample, [B]; a batch's loss is their mean. A loss is 0 (Charbonnier and edge: a constant of
the order of eps) for equal pictures and larger otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tempo.losses.census import Census
from tempo.losses.edge import Edge, Gradient
from tempo.losses.frequency import Frequency
from tempo.losses.laplacian import Laplacian
from tempo.losses.objective import Objective, Weight
from tempo.losses.pixelwise import L1, Charbonnier
from tempo.losses.ssim import Ssim
from tempo.spec import losses as options_of
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options

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
