"""Which weights the final evaluation judges: the best, the last, or several together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tempo.core.errors import RecordError, RunError
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.optim.averaging import Weights, mean_weights, put
from tempo.train.run.checkpoints import saved_checkpoints
from tempo.train.run.training_loop import Training, predictor


@dataclass(frozen=True, slots=True)
class Selected:
    """`name` says how the checkpoint was chosen, `step` is the newest one that takes part."""

    predict: Predictor
    step: int
    name: str


def select(training: Training) -> Selected:
    """Choose as `evaluation.select` asks, once training is done.

    Raises:
        RunError: when no validation gave a number.
        RecordError: when a checkpoint that is needed is gone or damaged.
    """
    name = training.config.evaluation.select
    steps = [training.progress.step] if name == "last" else training.needed()
    if not steps:
        raise RunError("no validation gave a number, so no checkpoint can be chosen", "non_finite")
    states = [_weights(training, step) for step in steps]
    if name == "ensemble":
        live = dict(training.trainer.model.named_parameters())
        predict = ensemble(live, predictor(training.trainer), states)
    else:
        predict = _single(training, states)
    label = name if name in {"best", "last"} else f"{name} of {len(steps)}"
    return Selected(predict, steps[-1], label)


def _weights(training: Training, step: int) -> Weights:
    """What evaluation uses of the checkpoint at `step`: averaged weights where there are some."""
    if step == training.progress.step:
        averaged = training.trainer.averaging.weights()
        live = training.trainer.model.named_parameters()
        return averaged or {name: each.detach().clone() for name, each in live}
    group = training.trainer.group
    return group.share(_stored(training, step) if group.leads else None)  # type: ignore[no-any-return]


def _stored(training: Training, step: int) -> Weights:
    saved = saved_checkpoints(training.journal.events())
    found = next((each for each in saved if each.step == step), None)
    if found is None:
        raise RecordError(f"{training.folder}: the record knows no checkpoint of step {step}")
    state = training.checkpoints.load(found)["trainer"]
    return state["averaged"] or state["model"]  # type: ignore[no-any-return]


def _single(training: Training, states: Sequence[Weights]) -> Predictor:
    weights = states[0] if len(states) == 1 else mean_weights(states)
    put(dict(training.trainer.model.named_parameters()), weights)
    return predictor(training.trainer)


def ensemble(
    live: Mapping[str, nn.Parameter], predict: Predictor, states: Sequence[Weights]
) -> Predictor:
    """The mean of the predictions of several sets of weights, put one after the other into the
    parameters `live` that `predict` uses."""

    def mean_prediction(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        total = torch.zeros_like(frames[:, 0])
        for state in states:
            put(live, state)
            total += predict(frames, times, moment)
        return total / len(states)

    return mean_prediction
