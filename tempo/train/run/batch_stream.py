"""Convert a budget to steps; prepare batches, each a pure function of its step, ahead of time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise

import torch
from torch.utils.data import DataLoader, Dataset

from tempo.data.batches import Batch, TrainBatches
from tempo.data.cache.splits import Split
from tempo.spec.recipe import Recipe
from tempo.train.hardware.process_group import Group

AHEAD = 2
"""Batches that each preparing process holds ready."""


def part_of(batch: Batch, start: int, end: int) -> Batch:
    """Return the samples `start` to `end` of a batch."""
    return Batch(**{each.name: getattr(batch, each.name)[start:end] for each in fields(batch)})


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


class Steps(Dataset[Batch]):
    """The training steps as a data set: step index to this process's share of the global batch.

    Order, crops and flips of a step depend on (seed, step) alone, so that any step can be the first
    of an attempt and any number of preparing processes gives the same batches.
    """

    def __init__(
        self, split: Split, recipe: Recipe, horizon: Horizon, seed: int, group: Group
    ) -> None:
        batches = partial(
            TrainBatches,
            split.within(horizon.clips(horizon.steps)),
            seed=seed,
            batch=recipe.batch,
            augment=recipe.augment,
            rank=group.rank,
            world=group.world,
        )
        ends = [round(stage.until * horizon.steps) for stage in recipe.progressive_crop]
        crops = [stage.crop for stage in recipe.progressive_crop] + [recipe.crop]
        spans = pairwise([0, *ends, horizon.steps])
        self._stages = [
            (range(first, last), batches(crop=crop))
            for (first, last), crop in zip(spans, crops, strict=True)
        ]

    def __len__(self) -> int:
        return self._stages[-1][0].stop

    def __getitem__(self, step: int) -> Batch:
        stage = next(batches for span, batches in self._stages if step in span)
        return stage.batch(step)


def stream_batches(
    steps: Steps, start: int, *, workers: int, device: torch.device
) -> Iterator[Batch]:
    """Yield the batches of the steps from `start` on, in pinned memory for a GPU."""
    if workers == 0:
        return (steps[step] for step in range(start, len(steps)))
    loader = DataLoader(
        steps,
        batch_size=None,
        sampler=range(start, len(steps)),
        num_workers=workers,
        prefetch_factor=AHEAD,
        pin_memory=device.type == "cuda",
        # Its own generator: starting the processes must not move the run's random streams.
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=_single_thread,
    )
    return iter(loader)


def _single_thread(worker: int) -> None:
    torch.set_num_threads(1)
