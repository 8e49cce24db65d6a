"""Measure what a training step and an evaluation cost on this device."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from statistics import median

import torch

from tempo.data.cache.splits import SPLITS, Split
from tempo.data.open_dataset import open_split
from tempo.metrics.references import REFERENCES
from tempo.models.family import build_model
from tempo.models.weight_transfer import freeze
from tempo.records.prices import Price
from tempo.spec.study import RunConfig
from tempo.train.evaluation.clip_evaluation import Predictor, judge
from tempo.train.hardware.compiled_code import keep_compiled
from tempo.train.hardware.device import configure, device_name, peak_memory, pick_device, precision
from tempo.train.hardware.fitting_memory import Fitting, FoundBefore
from tempo.train.hardware.fused_kernels import choose_kernels
from tempo.train.hardware.preflight import ALONE
from tempo.train.hardware.process_group import Group
from tempo.train.optim.trainer import Trainer
from tempo.train.run.batch_stream import (
    AHEAD,
    Horizon,
    Span,
    Steps,
    crops,
    horizon,
    open_stages,
    stream_batches,
)
from tempo.train.run.stop_request import StopRequest
from tempo.train.run.teachers import Networks, untrained_teachers
from tempo.train.run.training_loop import predictor

WARM = 3
"""Steps before the timed ones, beside those whose batches were prepared during start-up."""

FEWEST, MOST, SECONDS = 5, 40, 4.0
"""Timed steps of each crop: at least, at most, and until this many seconds have passed."""

PROBE = 32
"""Clips that are judged to learn what one costs."""

LONG = 10_000
"""Steps of the training that is begun: enough for any number of timed ones."""


def calibrate(
    config: RunConfig,
    cache: Path,
    group: Group = Group(),  # noqa: B008
    networks: Networks = ALONE,
) -> Price:
    """Train `config` for a few steps and judge a few clips; return what each cost.

    Everything is as in a run: the data, the crops, the augmentation, the precision, compilation,
    the micro-batch that fits; teachers are like those that `networks` describes, and need not be
    trained yet. Nothing is written but the cache: decoded pictures, compiled code, and what of a
    batch fits, with which the runs begin.

    Raises:
        TempoError: what the run itself would raise.
    """
    begun = time.perf_counter()
    device = pick_device(config.runtime, group.local_rank)
    name = config.recipe.precision if config.method == "network" else "fp32"
    configure(device, config.runtime.threads, name)
    if config.method != "network":
        return _reference(config, cache, device, begun)
    choose_kernels(config, device, group)
    splits = {name: open_split(config.data, name, cache) for name in SPLITS}
    first = splits["train"]
    trained_on = open_stages(config, first, cache)
    clips = [len(each) for each in trained_on]
    before = FoundBefore(config, cache, device, group)
    known: Fitting | None = group.share(before.read())
    trainer = _trainer(config, clips, device, group, networks, known)
    steps = Steps(*trained_on, recipe=config.recipe, horizon=trainer.horizon, seed=0, group=group)
    if config.runtime.compile != "off":
        keep_compiled(cache, device)
    if device.type == "cuda" or config.runtime.compile != "off":
        trainer.backward.warm_up(steps[0])
        if group.leads:
            before.write(trainer.fitting)
    timed, setup_s = _time_steps(config, trainer, steps, begun)
    val_clips = min(len(splits["val"]), config.evaluation.val_clips or len(splits["val"]))
    predict = predictor(trainer)
    times = {"ensemble": config.evaluation.over}.get(config.evaluation.select, 1)
    checkpoint_s, checkpoint_bytes = _checkpoint(trainer)
    return Price(
        device=device_name(device),
        world_size=group.world,
        steps=sum(len(each) for _, each in timed),
        step_ms=sum(share * median(each) for share, each in timed),
        setup_s=setup_s,
        validation_s=_judging(predict, splits["val"], val_clips, device) / group.world,
        evaluation_s=times
        * _judging(predict, splits["test"], len(splits["test"]), device)
        / group.world,
        peak_memory=peak_memory(),
        train_clips=len(first),
        stage_clips=tuple(len(each) for each in trained_on[1:]),
        checkpoint_s=checkpoint_s,
        checkpoint_bytes=checkpoint_bytes,
        micro_batch=trainer.backward.micro,
        measured=time.time(),
    )


def _reference(config: RunConfig, cache: Path, device: torch.device, begun: float) -> Price:
    test = open_split(config.data, "test", cache)
    setup_s = time.perf_counter() - begun
    return Price(
        device=device_name(device),
        world_size=1,
        steps=0,
        step_ms=0.0,
        setup_s=setup_s,
        validation_s=0.0,
        evaluation_s=_judging(REFERENCES[config.method], test, len(test), device),
        peak_memory=peak_memory(),
        measured=time.time(),
    )


def _trainer(
    config: RunConfig,
    train_clips: Sequence[int],
    device: torch.device,
    group: Group,
    networks: Networks,
    known: Fitting | None,
) -> Trainer:
    """Return a trainer of `config` at the start of a long training, its stages in proportion.

    `known`: what other trainings of the kind found to fit into memory."""
    whole = horizon(config.recipe, *train_clips)
    times = math.ceil(LONG / whole.steps)
    spans = tuple(
        Span(each.first * times, each.steps * times, each.train_clips) for each in whole.stages
    )
    long = Horizon(spans[-1].end, whole.batch, train_clips[0], spans)
    model = build_model(config.arch, 0)
    freeze(model, config.recipe.freeze)
    return Trainer(
        model,
        config,
        long,
        precision(config.recipe.precision, device),
        group,
        micro=known.micro if known else None,
        recomputed=known is not None and known.checkpointing,
        teachers=untrained_teachers(config.recipe, networks, config.arch),
    )


def _time_steps(
    config: RunConfig, trainer: Trainer, steps: Steps, begun: float
) -> tuple[list[tuple[float, list[float]]], float]:
    """Return each crop's share of the budget with the milliseconds of some of its steps, and the
    seconds from `begun` to the first timed step."""
    warm = WARM + AHEAD * config.runtime.workers
    out: list[tuple[float, list[float]]] = []
    setup_s = 0.0
    for share, first in _stages(config, trainer.horizon):
        found = _milliseconds(config, trainer, steps, first)
        for _ in range(warm):
            next(found)
        setup_s = setup_s or time.perf_counter() - begun
        out.append((share, _enough(found, trainer.group)))
    return out, setup_s


def _stages(config: RunConfig, long: Horizon) -> Iterator[tuple[float, int]]:
    """Yield the share of the steps and the first step of each stage and training crop."""
    for recipe, span in zip(config.recipe.stage_recipes, long.stages, strict=True):
        for steps, _ in crops(recipe, span):
            if steps:
                yield len(steps) / long.steps, steps.start


def _milliseconds(config: RunConfig, trainer: Trainer, steps: Steps, first: int) -> Iterator[float]:
    """Yield the milliseconds of one step after another, the wait for its batch included."""
    device, workers = trainer.precision.device, config.runtime.workers
    batches = stream_batches(steps, first, workers=workers, device=device)
    for step in range(first, len(steps)):
        begun = time.perf_counter()
        trainer.advance(next(batches), step)
        yield 1e3 * (time.perf_counter() - begun)


def _enough(found: Iterator[float], group: Group) -> list[float]:
    """Return timed steps; rank 0 decides how many, so that all ranks do the same."""
    begun, out = time.perf_counter(), list[float]()
    while len(out) < MOST:
        out.append(next(found))
        over = time.perf_counter() - begun > SECONDS and len(out) >= FEWEST
        if group.share(over):
            break
    return out


def _judging(predict: Predictor, split: Split, clips: int, device: torch.device) -> float:
    """Estimate the seconds to judge `clips` clips from those of the first few, once warm."""
    indices: Sequence[int] = range(min(clips, PROBE))
    if clips > PROBE:
        _judge(predict, split, indices, device)
    return _judge(predict, split, indices, device) * clips / len(indices)


def _judge(predict: Predictor, split: Split, indices: Sequence[int], device: torch.device) -> float:
    begun = time.perf_counter()
    for _ in judge(predict, split, indices, device, StopRequest()):
        pass
    return time.perf_counter() - begun


def _checkpoint(trainer: Trainer) -> tuple[float, int]:
    begun = time.perf_counter()
    buffer = BytesIO()
    torch.save(trainer.state(), buffer)
    return time.perf_counter() - begun, buffer.getbuffer().nbytes
