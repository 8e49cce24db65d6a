"""Losses: what training minimises. One line a loss in `LOSSES`.

Every loss maps a prediction and a target, [B, 3, H, W] in 0..1 (the prediction not clamped), to one
value a sample, [B]; a batch's loss is their mean. A loss is 0 (Charbonnier and edge: a constant of
the order of eps) for equal pictures and larger otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from tempo.losses.census import Census
from tempo.losses.charbonnier import Charbonnier
from tempo.losses.edge import Edge, Gradient
from tempo.losses.frequency import Frequency
from tempo.losses.l1 import L1
from tempo.losses.laplacian import Laplacian
from tempo.losses.objective import Objective, Weight
from tempo.losses.ssim import Ssim
from tempo.spec.losses import Sum
from tempo.spec.options import Options

LOSSES: dict[str, Callable[[Any], nn.Module]] = {
    "census": Census,
    "charbonnier": Charbonnier,
    "edge": Edge,
    "frequency": Frequency,
    "gradient": Gradient,
    "l1": L1,
    "laplacian": Laplacian,
    "ssim": Ssim,
}


def build_objective(options: Options) -> Objective:
    """The objective that a recipe's `loss` describes."""
    if isinstance(options, Sum):
        parts = {term.loss.kind: LOSSES[term.loss.kind](term.loss) for term in options.terms}
        weights = {
            term.loss.kind: Weight(term.weight, term.final, term.start) for term in options.terms
        }
        return Objective(parts, weights)
    return Objective({options.kind: LOSSES[options.kind](options)}, {options.kind: Weight()})
