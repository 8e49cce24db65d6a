"""Convert a training budget to steps, and steps to clips, epochs and progress."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tempo.spec.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Horizon:
    """The length of a training in steps, clips and epochs."""

    steps: int
    batch: int
    train_clips: int

    def clips(self, step: int) -> int:
        """Return the training samples seen after `step` steps."""
        return step * self.batch

    def epoch(self, step: int) -> float:
        """Return the passes over the training split after `step` steps."""
        return self.clips(step) / self.train_clips

    def progress(self, step: int) -> float:
        """Return the share of the budget spent before step index `step`, in [0, 1)."""
        return step / self.steps


def horizon(recipe: Recipe, train_clips: int) -> Horizon:
    """Convert a budget to steps; a part of a batch at the end counts as a whole one."""
    budget = recipe.budget
    if budget.steps is not None:
        steps = budget.steps
    else:
        clips = budget.clips if budget.clips is not None else (budget.epochs or 0) * train_clips
        steps = max(1, math.ceil(round(clips / recipe.batch, 9)))
    return Horizon(steps=steps, batch=recipe.batch, train_clips=train_clips)
