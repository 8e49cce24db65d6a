"""One attempt at a run: from the record to the training, the evaluation and the record again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tempo.data.cache.splits import SPLITS, Split, SplitName
from tempo.data.open_dataset import open_split
from tempo.metrics.references import REFERENCES
from tempo.models.build import build_model
from tempo.models.network_cost import Cost, count
from tempo.records.events import AttemptStarted, Evaluated, ModelBuilt, Noted
from tempo.records.files import sha256_of
from tempo.records.run_record import effective, read_run
from tempo.spec.arch import ArchSpec
from tempo.spec.study import RunConfig
from tempo.train.evaluation.run_evaluation import TestEvaluation, prepare_test
from tempo.train.evaluation.validation import Validation
from tempo.train.evaluation.weight_selection import select
from tempo.train.hardware.device import configure, device_name, pick_device
from tempo.train.hardware.process_group import Group
from tempo.train.optim.precision import precision
from tempo.train.optim.trainer import Trainer
from tempo.train.run.batch_stream import Steps
from tempo.train.run.checkpoints import Checkpoints, Resumable, newest_sound, saved_checkpoints
from tempo.train.run.curve_milestones import milestones
from tempo.train.run.data_record import check_same_data, left_out, order_digest
from tempo.train.run.environment_record import host
from tempo.train.run.journal import Journal
from tempo.train.run.rng_state import seed_everything
from tempo.train.run.step_budget import Horizon, horizon
from tempo.train.run.stop_request import StopRequest
from tempo.train.run.training_loop import Training


@dataclass(frozen=True, slots=True)
class Task:
    """What an attempt is given."""

    folder: Path
    cache: Path
    seed: int
    config: RunConfig
    group: Group
    journal: Journal
    stop: StopRequest

    @property
    def device(self) -> torch.device:
        return pick_device(self.config.runtime, self.group.local_rank)

    def open(self, split: SplitName) -> Split:
        return open_split(self.config.data, split, self.cache)


def carry_out(task: Task) -> None:
    """Do what is left of a run.

    Raises:
        StoppedError: when asked to stop; the work so far can be resumed.
        RollBack: when training is to go on from its last checkpoint in a new attempt.
    """
    name = task.config.recipe.precision if task.config.method == "network" else "fp32"
    configure(task.device, task.config.runtime.threads, name)
    if task.config.method == "network":
        _network(task)
    else:
        _reference(task)


def _reference(task: Task) -> None:
    with task.stop.at_once():
        test = task.open("test")
    _announce(task, 0, 0, {"test": test.digest})
    evaluation = _test(task, test)
    if not _evaluated(task):
        method = REFERENCES[task.config.method]
        task.journal.emit(evaluation.run(method, step=0, checkpoint="none", stop=task.stop))


def _network(task: Task) -> None:
    with task.stop.at_once():
        training, evaluation = _prepared(task)
    training.run()
    if not _evaluated(task):
        chosen = select(training)
        _milestones(task)
        task.journal.emit(
            evaluation.run(chosen.predict, step=chosen.step, checkpoint=chosen.name, stop=task.stop)
        )


def _prepared(task: Task) -> tuple[Training, TestEvaluation]:
    """Everything up to the first step, from the newest sound checkpoint on."""
    splits = {name: task.open(name) for name in SPLITS}
    plan = horizon(task.config.recipe, len(splits["train"]))
    evaluation = _test(task, splits["test"])
    found: Resumable = task.group.share(_resumable(task))
    step = found.saved.step if found.saved else 0
    digests = {name: split.digest for name, split in splits.items()}
    check_same_data(task.journal.past, digests, step)
    order = order_digest(splits["train"], task.seed)
    _announce(task, step, plan.steps, digests, data_order=order)
    for note in left_out(splits, step):
        task.journal.emit(note)
    for problem in found.damaged:
        message = f"{problem}; resumed from step {step} instead"
        task.journal.emit(Noted(step=step, topic="checkpoint", message=message, lasting=True))
    training = _training(task, splits, plan)
    if found.state is not None:
        training.resume(found.state)
    _warm_up(task, training)
    return training, evaluation


def _resumable(task: Task) -> Resumable:
    if not task.group.leads:
        return Resumable(None, None)
    return newest_sound(
        Checkpoints(task.folder, task.journal.attempt), saved_checkpoints(task.journal.past)
    )


def _announce(
    task: Task,
    step: int,
    total: int,
    digests: Mapping[SplitName, str],
    *,
    data_order: str | None = None,
) -> None:
    runtime, recipe = task.config.runtime, task.config.recipe
    environment: dict[str, Any] = {
        **host(),
        "device": device_name(task.device),
        "threads": runtime.threads,
        "world_size": task.group.world,
        "micro_batch": task.journal.history.micro or runtime.micro_batch,
        "compile": runtime.compile,
        "channels_last": True,
        "workers": runtime.workers,
        "batch": recipe.batch,
        "precision": recipe.precision,
        "lr_scale": _lr_scale(task),
        "data": dict(digests),
        "data_order": data_order,
    }
    started = AttemptStarted(
        resumed_step=step,
        total_steps=total,
        environment=environment,
        afresh=task.journal.afresh,
    )
    task.journal.emit(started)


def _lr_scale(task: Task) -> float:
    """The learning rate after a roll-back follows from the record, not from a checkpoint: the one
    that training goes back to was written before."""
    return float(task.config.recipe.guard.lr_factor**task.journal.history.rollbacks)


def _training(task: Task, splits: Mapping[SplitName, Split], plan: Horizon) -> Training:
    config, seed, group = task.config, task.seed, task.group
    seed_everything(seed)
    model = build_model(config.arch, seed)
    if group.leads and not any(isinstance(each.event, ModelBuilt) for each in task.journal.past):
        task.journal.emit(_cost(config, splits["train"]))
    trainer = Trainer(
        model,
        config,
        plan,
        precision(config.recipe.precision, task.device),
        group,
        micro=task.journal.history.micro,
        lr_scale=_lr_scale(task),
    )
    first = min(config.evaluation.val_every, plan.steps)
    limit = config.evaluation.val_clips
    return Training(
        trainer=trainer,
        config=config,
        steps=Steps(splits["train"], config.recipe, plan, seed, group),
        validation=Validation(
            splits["val"], limit, task.device, group, task.folder, task.journal.attempt, first
        ),
        folder=task.folder,
        journal=task.journal,
        stop=task.stop,
    )


def _warm_up(task: Task, training: Training) -> None:
    """Find the micro-batch and compile before the clock runs, where that can matter."""
    backward = training.trainer.backward

    def tell(tried: int, halved: int) -> None:
        message = f"a micro-batch of {tried} did not fit into memory; went on with {halved}"
        values = {"from": tried, "to": halved}
        note = Noted(
            step=training.progress.step, topic="oom", message=message, values=values, lasting=True
        )
        task.journal.insist(note)

    backward.tell = tell
    compiles = task.config.runtime.compile != "off"
    if training.progress.step < len(training.steps) and (compiles or task.device.type == "cuda"):
        seconds = backward.warm_up(training.steps[training.progress.step])
        if compiles:
            message = f"compiling the training step took {seconds:.1f} s"
            values = {"seconds": seconds}
            step = training.progress.step
            task.journal.emit(Noted(step=step, topic="compile", message=message, values=values))


def _cost(config: RunConfig, split: Split) -> ModelBuilt:
    """MACs for one clip of the data set's size; of the first clip's where sizes differ."""
    frames, height, width, _ = split[0].frames.shape
    cost = _count(config.arch, frames, height, width)
    return ModelBuilt(parameters=cost.parameters, macs=cost.macs, mac_size=(height, width))


@cache
def _count(arch: ArchSpec, frames: int, height: int, width: int) -> Cost:
    return count(arch, frames=frames, height=height, width=width)


def _test(task: Task, split: Split) -> TestEvaluation:
    return prepare_test(
        split,
        task.config,
        device=task.device,
        group=task.group,
        folder=task.folder,
        cache=task.cache,
        attempt=task.journal.attempt,
    )


def _evaluated(task: Task) -> bool:
    """Whether an earlier attempt already wrote the evaluation, and its table is whole."""

    def look() -> bool:
        done = [each.event for each in effective(task.journal.past)]
        tables = [each for each in done if isinstance(each, Evaluated)]
        paths = [(task.folder / each.table, each.table_sha256) for each in tables]
        return any(path.is_file() and sha256_of(path) == digest for path, digest in paths)

    return bool(task.group.share(look() if task.group.leads else None))


def _milestones(task: Task) -> None:
    if not task.group.leads:
        return
    record = read_run(task.folder)
    found = milestones(record.validations)
    if found:
        step = record.validations[-1].step
        message = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
        task.journal.emit(Noted(step=step, topic="milestones", message=message, values=found))
