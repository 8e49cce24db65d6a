"""Convert a budget to steps; prepare batches, each a pure function of its step, ahead of time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from tempo.core.budget_course import Course
from tempo.core.startup import end_with_maker
from tempo.data.batches import Batch, TrainBatches
from tempo.data.cache.splits import Split
from tempo.data.open_dataset import open_split
from tempo.spec.recipe import Recipe
from tempo.spec.study import RunConfig
from tempo.train.hardware.process_group import Group

AHEAD = 2
"""Batches that each preparing process holds ready."""


def part_of(batch: Batch, start: int, end: int) -> Batch:
    """Return the samples `start` to `end` of a batch."""
    return Batch(**{each.name: getattr(batch, each.name)[start:end] for each in fields(batch)})


@dataclass(frozen=True, slots=True)
class Span:
    """The steps of one stage of a training, from step index `first` on, and its training clips."""

    first: int
    steps: int
    train_clips: int

    @property
    def end(self) -> int:
        """The step index behind its last one."""
        return self.first + self.steps


@dataclass(frozen=True, slots=True)
class Horizon:
    """The length of a training in steps, clips and epochs; `spans` are those of several stages."""

    steps: int
    batch: int
    train_clips: int
    spans: tuple[Span, ...] = ()

    @property
    def stages(self) -> tuple[Span, ...]:
        """The steps of each stage; one stage holds all where there are no more."""
        return self.spans or (Span(0, self.steps, self.train_clips),)

    @property
    def borders(self) -> tuple[int, ...]:
        """The steps after which another stage begins."""
        return tuple(each.first for each in self.stages[1:])

    def stage(self, step: int) -> int:
        """Return the number, from 0, of the stage that step index `step` belongs to."""
        return sum(step >= border for border in self.borders)

    def clips(self, step: int) -> int:
        """Return the training samples seen after `step` steps."""
        return step * self.batch

    def epoch(self, step: int) -> float:
        """Return the passes over the training split after `step` steps; stages add up theirs."""
        reached = self.stages[: self.stage(step) + 1]
        ends = [*(each.end for each in reached[:-1]), step]
        return sum(
            (end - each.first) * self.batch / each.train_clips
            for end, each in zip(ends, reached, strict=True)
        )

    def progress(self, step: int) -> float:
        """Return the share of its stage's budget spent before step index `step`, in [0, 1)."""
        span = self.stages[self.stage(step)]
        return (step - span.first) / span.steps


def horizon(recipe: Recipe, *train_clips: int) -> Horizon:
    """Convert a budget to steps; a part of a batch at the end counts as a whole one.

    `train_clips` are the clips of the training split, of each stage where there are several.
    """
    spans: list[Span] = []
    for each, clips in zip(recipe.stage_recipes, train_clips, strict=True):
        first = spans[-1].end if spans else 0
        spans.append(Span(first, _steps(each, clips), clips))
    return Horizon(
        steps=spans[-1].end,
        batch=recipe.batch,
        train_clips=train_clips[0],
        spans=tuple(spans) if len(spans) > 1 else (),
    )


def _steps(recipe: Recipe, train_clips: int) -> int:
    budget = recipe.budget
    if budget.steps is not None:
        return budget.steps
    clips = budget.clips if budget.clips is not None else (budget.epochs or 0) * train_clips
    return max(1, math.ceil(round(clips / recipe.batch, 9)))


def open_stages(config: RunConfig, first: Split, cache: Path) -> list[Split]:
    """Return the training split of each stage; `first` is that of the study's data."""
    return [
        first if data is config.data else open_split(data, "train", cache)
        for data in config.stage_data
    ]


def courses(splits: Sequence[Split], horizon: Horizon) -> dict[str, Course]:
    """Return the course of a training on each of its splits, by digest; `splits` are by stage."""
    stages: dict[str, tuple[int, ...]] = {}
    for split, span in zip(splits, horizon.stages, strict=True):
        stages[split.digest] = (*stages.get(split.digest, ()), span.steps)
    return {digest: Course(steps, horizon.batch) for digest, steps in stages.items()}


class Steps(Dataset[Batch]):
    """The training steps as a data set: step index to this process's share of the global batch.

    Order, crops and flips of a step depend on (seed, step) alone, so that any step can be the first
    of an attempt and any number of preparing processes gives the same batches.

    Args:
        split: the training split of each stage.
    """

    def __init__(
        self, *split: Split, recipe: Recipe, horizon: Horizon, seed: int, group: Group
    ) -> None:
        self._parts: list[tuple[range, int, TrainBatches]] = []
        seen: dict[str, int] = {}
        course = courses(split, horizon)
        for one, each, span in zip(split, recipe.stage_recipes, horizon.stages, strict=True):
            batches = partial(
                TrainBatches,
                one,
                seed=seed,
                batch=recipe.batch,
                augment=recipe.augment,
                rank=group.rank,
                world=group.world,
                course=course[one.digest],
            )
            # A stage goes on in the order of its data where earlier stages on them stopped.
            before = seen.get(one.digest, 0)
            seen[one.digest] = before + span.steps
            for steps, crop in crops(each, span):
                self._parts.append((steps, before - span.first, batches(crop=crop)))

    def __len__(self) -> int:
        return self._parts[-1][0].stop

    def __getitem__(self, step: int) -> Batch:
        offset, batches = next(
            (offset, batches) for steps, offset, batches in self._parts if step in steps
        )
        return batches.batch(step + offset)


def crops(recipe: Recipe, span: Span) -> Iterator[tuple[range, int]]:
    """Yield the steps of a stage with the side of the crop in them, as crops grow."""
    ends = [round(each.until * span.steps) for each in recipe.progressive_crop]
    sides = [each.crop for each in recipe.progressive_crop] + [recipe.crop]
    for (first, last), side in zip(pairwise([0, *ends, span.steps]), sides, strict=True):
        yield range(span.first + first, span.first + last), side


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
        worker_init_fn=_set_up,
    )
    return iter(loader)


def _set_up(worker: int) -> None:
    """Keep a process that prepares batches to one thread, and to the life of the run's process.

    PyTorch's own watch is on the parent: a fork server, which waits for this process, stays.
    """
    torch.set_num_threads(1)
    end_with_maker()
