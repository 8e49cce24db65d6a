"""Choose the weights that a run's evaluation judges: the best, the last, or several together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tempo.core.errors import RecordError, RunError
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.optim.averaging import Weights, copy_weights, mean_weights, weights_hash
from tempo.train.run.checkpoints import saved_checkpoints
from tempo.train.run.training_loop import Training, predictor


@dataclass(frozen=True, slots=True)
class SelectedWeights:
    """What an evaluation judges: `name` says how its weights were chosen, `step` is that of the
    newest checkpoint that takes part, `weights` the hash of all of them."""

    predict: Predictor
    step: int
    name: str
    weights: str


def select_weights(training: Training) -> SelectedWeights:
    """Choose the weights that `evaluation.select` asks for, once training is done.

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
    return SelectedWeights(predict, steps[-1], label, weights_hash(states))


def _weights(training: Training, step: int) -> Weights:
    """Return the weights of the checkpoint at `step`, averaged ones where it holds some."""
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
    copy_weights(dict(training.trainer.model.named_parameters()), weights)
    return predictor(training.trainer)


def ensemble(
    live: Mapping[str, nn.Parameter], predict: Predictor, states: Sequence[Weights]
) -> Predictor:
    """Average the predictions of several sets of weights, each copied in turn into the parameters
    `live` that `predict` uses."""

    def mean_prediction(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        total = torch.zeros_like(frames[:, 0])
        for state in states:
            copy_weights(live, state)
            total += predict(frames, times, moment)
        return total / len(states)

    return mean_prediction
