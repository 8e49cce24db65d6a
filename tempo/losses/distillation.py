"""Compute the distance from what a teacher, a trained and frozen network, predicts."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class Distillation(nn.Module):
    """Any loss between a prediction and that of a teacher, in place of the target.

    The teacher maps frames [B, N, 3, H, W], times [B, N] and a target time [B] to [B, 3, H, W].
    It is not trained, and stays in evaluation mode.
    """

    def __init__(self, distance: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.distance = distance
        self.teacher = teacher.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Distillation:
        """Leave the teacher as it is."""
        return self

    @torch.no_grad()
    def teach(self, frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        """Return the teacher's prediction of the same frames, [B, 3, H, W]."""
        return cast(Tensor, self.teacher(frames, times, moment))

    def forward(self, prediction: Tensor, taught: Tensor) -> Tensor:
        return cast(Tensor, self.distance(prediction, taught))
