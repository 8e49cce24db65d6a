"""Losses: what training minimises. One module a loss, one line a loss in `LOSSES`.

Every loss maps a prediction and a target, [B, 3, H, W] in 0..1 (the prediction not clamped), to one
value a sample, [B]; a batch's loss is their mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from tempo.losses.charbonnier import Charbonnier
from tempo.losses.l1 import L1
from tempo.losses.objective import Objective, Weight
from tempo.spec.options import Options

LOSSES: dict[str, Callable[[Any], nn.Module]] = {
    "charbonnier": Charbonnier,
    "l1": L1,
}


def build_objective(options: Options) -> Objective:
    """The objective that a recipe's `loss` describes."""
    return Objective({options.kind: LOSSES[options.kind](options)}, {options.kind: Weight()})
