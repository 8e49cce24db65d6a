"""Prepare training batches, each a pure function of its step, ahead of time by processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from itertools import pairwise

import torch
from torch.utils.data import DataLoader, Dataset

from tempo.data.batches import Batch, TrainBatches
from tempo.data.cache.splits import Split
from tempo.spec.recipe import Recipe
from tempo.train.hardware.process_group import Group
from tempo.train.run.step_budget import Horizon

AHEAD = 2
"""Batches that each preparing process holds ready."""


def part_of(batch: Batch, start: int, end: int) -> Batch:
    """Return the samples `start` to `end` of a batch."""
    return Batch(**{each.name: getattr(batch, each.name)[start:end] for each in fields(batch)})


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
            split,
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
