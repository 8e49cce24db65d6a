"""One attempt at a run: from the record to the training, the evaluation and the record again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tempo.core.errors import RecordError, RunError
from tempo.data.open import open_split
from tempo.data.splits import SPLITS, Split, SplitName
from tempo.metrics.references import REFERENCES
from tempo.models.build import build_model
from tempo.models.count import count
from tempo.records.events import (
    AttemptStarted,
    Evaluated,
    ModelBuilt,
    Noted,
)
from tempo.records.files import sha256_of
from tempo.records.run import effective
from tempo.spec.study import RunConfig
from tempo.train.averaging import mean_weights, put
from tempo.train.budget import Horizon, horizon
from tempo.train.checkpoints import Checkpoints, Resumable, newest_sound, saved_checkpoints
from tempo.train.device import configure, device_name, pick_device
from tempo.train.environment import host
from tempo.train.evaluate import Predictor
from tempo.train.final import TestEvaluation, prepare_test
from tempo.train.group import Group
from tempo.train.inputs import Steps
from tempo.train.journal import Journal
from tempo.train.loop import Training, predictor
from tempo.train.precision import precision
from tempo.train.rng import seed_everything
from tempo.train.stop import StopRequest
from tempo.train.trainer import Trainer
from tempo.train.validate import Validation


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
    """
    name = task.config.recipe.precision if task.config.method == "network" else "fp32"
    configure(task.device, task.config.runtime.threads, name)
    if task.config.method == "network":
        _network(task)
    else:
        _reference(task)


def _reference(task: Task) -> None:
    test = task.open("test")
    task.journal.emit(
        AttemptStarted(
            resumed_step=0, total_steps=0, environment=_environment(task, {"test": test.digest})
        )
    )
    evaluation = _test(task, test)
    method = REFERENCES[task.config.method]
    if not _evaluated(task):
        task.journal.emit(evaluation.run(method, step=0, checkpoint="none", stop=task.stop))


def _network(task: Task) -> None:
    splits = {name: task.open(name) for name in SPLITS}
    plan = horizon(task.config.recipe, len(splits["train"]))
    evaluation = _test(task, splits["test"])
    found = task.group.share(_resumable(task))
    digests = {str(name): split.digest for name, split in splits.items()}
    _announce(task, plan, found, digests)
    training = _training(task, splits, plan)
    if found.state is not None:
        training.resume(found.state)
    training.run()
    if not _evaluated(task):
        _judge(task, training, evaluation)


def _resumable(task: Task) -> Resumable:
    if not task.group.leads:
        return Resumable(None, None)
    return newest_sound(Checkpoints(task.folder), saved_checkpoints(task.journal.past))


def _announce(task: Task, plan: Horizon, found: Resumable, digests: Mapping[str, str]) -> None:
    step = found.saved.step if found.saved else 0
    task.journal.emit(
        AttemptStarted(
            resumed_step=step, total_steps=plan.steps, environment=_environment(task, digests)
        )
    )
    for problem in found.damaged:
        message = f"{problem}; resumed from step {step} instead"
        task.journal.emit(Noted(step=step, topic="checkpoint", message=message, lasting=True))


def _environment(task: Task, digests: Mapping[str, str]) -> dict[str, Any]:
    runtime = task.config.runtime
    return {
        **host(),
        "device": device_name(task.device),
        "threads": runtime.threads,
        "world_size": task.group.world,
        "micro_batch": runtime.micro_batch,
        "compile": runtime.compile,
        "channels_last": runtime.channels_last,
        "workers": runtime.workers,
        "data": dict(digests),
    }


def _training(task: Task, splits: Mapping[SplitName, Split], plan: Horizon) -> Training:
    config, seed = task.config, task.seed
    seed_everything(seed)
    model = build_model(config.arch, seed)
    if not any(isinstance(logged.event, ModelBuilt) for logged in task.journal.past):
        task.journal.emit(_cost(config, splits["train"]))
    first = min(config.evaluation.val_every, plan.steps)
    return Training(
        trainer=Trainer(
            model, config, plan, precision(config.recipe.precision, task.device), task.group
        ),
        config=config,
        steps=Steps(splits["train"], config.recipe, plan, seed, task.group),
        validation=Validation(
            splits["val"], config.evaluation.val_clips, task.device, task.group, task.folder, first
        ),
        checkpoints=Checkpoints(task.folder),
        journal=task.journal,
        stop=task.stop,
    )


def _cost(config: RunConfig, split: Split) -> ModelBuilt:
    """MACs for one clip of the data set's size; of the first clip's where sizes differ."""
    frames, height, width, _ = split[0].frames.shape
    cost = count(config.arch, frames=frames, height=height, width=width)
    return ModelBuilt(parameters=cost.parameters, macs=cost.macs, mac_size=(height, width))


def _test(task: Task, split: Split) -> TestEvaluation:
    gallery = task.config.evaluation.gallery
    return prepare_test(split, task.config.data, gallery, task.device, task.group, task.folder)


def _evaluated(task: Task) -> bool:
    """Whether an earlier attempt already wrote the evaluation, and its table is whole."""

    def look() -> bool:
        done = [
            each.event for each in effective(task.journal.past) if isinstance(each.event, Evaluated)
        ]
        tables = [(task.folder / each.table, each.table_sha256) for each in done]
        return any(path.is_file() and sha256_of(path) == digest for path, digest in tables)

    return bool(task.group.share(look() if task.group.leads else None))


def _judge(task: Task, training: Training, evaluation: TestEvaluation) -> None:
    chosen = _chosen(training)
    if not chosen:
        raise RunError("no validation gave a number, so no checkpoint can be chosen", "non_finite")
    states = [_weights(task, training, step) for step in chosen]
    name = training.config.evaluation.select
    predict = _combined(training, states, ensemble=name == "ensemble")
    event = evaluation.run(predict, step=chosen[-1], checkpoint=name, stop=task.stop)
    task.journal.emit(event)


def _chosen(training: Training) -> list[int]:
    """The steps whose checkpoints are judged, oldest first."""
    select = training.config.evaluation.select
    if select == "last":
        return [training.progress.step]
    return training.needed()


def _weights(task: Task, training: Training, step: int) -> dict[str, Tensor]:
    """What evaluation uses of the checkpoint at `step`: averaged weights where there are some."""
    if step == training.progress.step:
        averaged = training.trainer.averaging.weights()
        live = training.trainer.model.named_parameters()
        return averaged or {name: each.detach().clone() for name, each in live}
    saved = next(
        (each for each in saved_checkpoints(task.journal.events()) if each.step == step), None
    )
    if saved is None:
        raise RecordError(f"{task.folder}: the record knows no checkpoint of step {step}")
    state = Checkpoints(task.folder).load(saved)["trainer"]
    weights: dict[str, Tensor] = state["averaged"] or state["model"]
    return weights


def _combined(
    training: Training, states: Sequence[dict[str, Tensor]], *, ensemble: bool
) -> Predictor:
    live = dict(training.trainer.model.named_parameters())
    predict = predictor(training.trainer)
    if not ensemble:
        put(live, states[0] if len(states) == 1 else mean_weights(states))
        return predict

    def mean_prediction(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        total = torch.zeros_like(frames[:, 0])
        for state in states:
            put(live, state)
            total += predict(frames, times, moment)
        return total / len(states)

    return mean_prediction
