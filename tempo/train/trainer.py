"""One network in training: everything that a step changes, and the step itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tempo.data.batches import Batch
from tempo.losses import build_objective
from tempo.spec.study import RunConfig
from tempo.train.averaging import make_averaging
from tempo.train.budget import Horizon
from tempo.train.group import Group
from tempo.train.inputs import part_of
from tempo.train.optimisers import build_optimiser, set_learning_rate
from tempo.train.precision import Precision, clip_gradients
from tempo.train.schedules import learning_rate


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did. `applied`: the weights moved; otherwise a value was not finite."""

    loss: float
    terms: Mapping[str, float]
    lr: float
    grad_norm: float
    clipped: bool
    applied: bool
    stop: bool

    def values(self) -> dict[str, float]:
        """The figures of a training report; means of them make sense. A skipped step adds only
        itself, so that one NaN does not hide an interval."""
        if not self.applied:
            return {"skipped": 1.0}
        terms = {f"loss/{name}": value for name, value in self.terms.items()}
        base = {"loss": self.loss, "lr": self.lr, "grad_norm": self.grad_norm, "skipped": 0.0}
        return base | {"clip_rate": float(self.clipped)} | terms


class Trainer:
    """Model, optimiser, scaler, averaged weights and their position in the budget."""

    def __init__(
        self,
        model: nn.Module,
        config: RunConfig,
        horizon: Horizon,
        precision: Precision,
        group: Group,
    ) -> None:
        self.recipe, self.horizon = config.recipe, horizon
        self.precision, self.group = precision, group
        self.model = model.to(precision.device, precision.dtype)
        self.forward = self.model
        self.objective = build_objective(self.recipe.loss)
        self.optimiser = build_optimiser(self.recipe.optimiser, self.model, self.recipe.lr)
        self.averaging = make_averaging(self.model, self.optimiser, self.recipe.ema)
        self.scaler = precision.scaler()
        self.lr_scale = 1.0
        self.micro = max(1, self.recipe.batch // group.world)

    def lr(self, step: int) -> float:
        """The learning rate of step index `step`."""
        recipe = self.recipe
        rate = learning_rate(recipe.schedule, recipe.lr, recipe.warmup, self.horizon.steps, step)
        return rate * self.lr_scale

    def advance(self, batch: Batch, step: int, *, stop: bool = False) -> Step:
        """Carry out step index `step` on this process's share of its global batch.

        The mean of the objective over the global batch is what is minimised, however it is spread
        over processes and micro-batches. `stop` asks all processes to end after this step.
        """
        lr = self.lr(step)
        set_learning_rate(self.optimiser, lr)
        sums = self._gradients(batch, self.horizon.progress(step))
        self.scaler.unscale_(self.optimiser)
        norm = clip_gradients(self.model.parameters(), self.recipe.grad_clip)
        return self._apply(sums, norm, lr, step, stop)

    def _apply(
        self, sums: dict[str, Tensor], norm: Tensor, lr: float, step: int, stop: bool
    ) -> Step:
        packed = torch.stack([*sums.values(), norm.new_tensor(float(stop))])
        *values, stops = self.group.sum(packed).tolist()
        means = [value / self.group.world for value in values]
        grad_norm = norm.item()
        applied = math.isfinite(grad_norm) and all(map(math.isfinite, means))
        if applied:
            self.scaler.step(self.optimiser)
            self.averaging.update(step + 1)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        limit = self.recipe.grad_clip
        return Step(
            loss=means[0],
            terms=dict(zip(list(sums)[1:], means[1:], strict=True)),
            lr=lr,
            grad_norm=grad_norm,
            clipped=limit is not None and grad_norm > limit,
            applied=applied,
            stop=stops > 0,
        )

    def _gradients(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Accumulate the gradients of the batch; returns the means of the loss and its terms."""
        clips = len(batch.target)
        sums: dict[str, Tensor] = {}
        for part in _parts(batch, self.micro):
            values = self._backward(part, progress, clips)
            sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
        return sums

    def _backward(self, part: Batch, progress: float, clips: int) -> dict[str, Tensor]:
        frames, target = self.precision.pictures(part.frames), self.precision.pictures(part.target)
        times = part.times.to(frames.device, frames.dtype)
        moment = part.target_time.to(frames.device, frames.dtype)
        with self.precision.autocast():
            prediction = self.forward(frames, times, moment)
        total, terms = self.objective(prediction.to(frames.dtype), target, progress)
        loss = total.sum() / clips
        self.scaler.scale(loss).backward()
        return {"loss": loss.detach()} | {name: each.sum() / clips for name, each in terms.items()}

    def state(self) -> dict[str, Any]:
        """Everything a later step depends on, random streams aside."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "averaged": self.averaging.weights(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.averaging.load(state["averaged"])


def _parts(batch: Batch, size: int) -> Iterator[Batch]:
    for start in range(0, len(batch.target), size):
        yield part_of(batch, start, start + size)
