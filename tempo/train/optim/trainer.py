"""Train a network step by step: model, optimiser, scaler and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tempo.data.batches import Batch
from tempo.losses import ALONE, Objective, Teachers, build_objective
from tempo.spec.recipe import Recipe
from tempo.spec.study import RunConfig
from tempo.train.hardware.device import Precision
from tempo.train.hardware.fitting_memory import Fitting, chooses_checkpointing, recompute
from tempo.train.hardware.process_group import Group
from tempo.train.optim.averaging import OptimiserAverage, copy_weights, make_averaging
from tempo.train.optim.micro_batches import Backward, Sums
from tempo.train.optim.optimisers import (
    build_optimiser,
    clip_gradients,
    learning_rate,
    set_learning_rate,
)
from tempo.train.run.batch_stream import Horizon


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step. `applied`: the weights changed; for a skipped step `norms` holds the
    gradient norm of each module. `excused`: the fp16 scaler was finding its scale. `stop` and
    `save`: a process of the run asked to end, or to write a checkpoint, after this step."""

    loss: float
    terms: Mapping[str, float]
    lr: float
    grad_norm: float
    clipped: bool
    applied: bool
    stop: bool
    save: bool = False
    excused: bool = False
    norms: Mapping[str, float] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Return the values that a training report averages. A skipped step counts only as skipped,
        so that one NaN does not hide an interval."""
        if not self.applied:
            return {"skipped": 1.0}
        terms = {f"loss/{name}": value for name, value in self.terms.items()}
        base = {"loss": self.loss, "lr": self.lr, "grad_norm": self.grad_norm, "skipped": 0.0}
        return base | {"clip_rate": float(self.clipped)} | terms


class Trainer:
    """Model, optimiser, scaler, averaged weights and their position in the budget.

    Args:
        micro: clips per backward pass, at most; None is the whole share of this process. The
            recipe's `runtime.micro_batch` overrules it.
        recomputed: an earlier attempt or run found that activations must be recomputed, where
            `arch.checkpointing` is `auto`.
        lr_scale: what earlier roll-backs left of the learning rate.
        teachers: the trained networks that the recipe's losses name.
    """

    def __init__(
        self,
        model: nn.Module,
        config: RunConfig,
        horizon: Horizon,
        precision: Precision,
        group: Group,
        *,
        micro: int | None = None,
        recomputed: bool = False,
        lr_scale: float = 1.0,
        teachers: Teachers = ALONE,
    ) -> None:
        self.recipe, self.horizon = config.recipe, horizon
        self._recipes = config.recipe.stage_recipes
        self._stage = 0
        self.precision, self.group, self.lr_scale = precision, group, lr_scale
        self.objectives = _objectives(self._recipes, teachers, precision)
        self.model = model.to(precision.device, precision.dtype)
        self.optimiser = build_optimiser(self.recipe.optimiser, self.model, self.recipe.lr)
        self.averaging = make_averaging(self.model, self.optimiser, self.recipe.ema)
        self.scaler = precision.scaler()
        self._chooses = chooses_checkpointing(config)
        if self._chooses and recomputed:
            recompute(self.model)
        asked = config.runtime.micro_batch
        share = max(1, self.recipe.batch // group.world)
        self.backward = Backward(
            self.model,
            self.objectives[0],
            precision,
            self.scaler,
            group,
            micro=min(share, micro or share) if asked == "auto" else min(share, asked),
            halves=asked == "auto",
            recomputes=self._chooses and not recomputed,
            compile_mode=config.runtime.compile,
        )
        self._parameters = [each for each in self.model.parameters() if each.requires_grad]

    @property
    def fitting(self) -> Fitting:
        """Return what of a batch fits into memory, as far as is known."""
        recomputed = self._chooses and not self.backward.recomputes
        return Fitting(self.backward.micro, recomputed)

    def lr(self, step: int) -> float:
        """Return the learning rate of step index `step`; it goes over the budget of its stage."""
        stage = self.horizon.stage(step)
        recipe, span = self._recipes[stage], self.horizon.stages[stage]
        rate = learning_rate(
            recipe.schedule, recipe.lr, recipe.warmup, span.steps, step - span.first
        )
        return rate * self.lr_scale

    def advance(
        self,
        batch: Batch,
        step: int,
        *,
        stop: bool = False,
        save: bool = False,
        ceiling: float = math.inf,
        sample: bool = False,
    ) -> Step:
        """Carry out step index `step` on this process's share of its global batch.

        The mean of the objective over the global batch is what is minimised, however it is spread
        over processes and micro-batches. `stop` asks all processes to end after this step, `save`
        to write a checkpoint, a loss above `ceiling` leaves it out, `sample` times its phases.
        """
        self._enter(self.horizon.stage(step))
        lr = self.lr(step)
        set_learning_rate(self.optimiser, lr)
        self.backward.phases.begin(sample=sample)
        sums = self.backward.run(batch, self.horizon.progress(step))
        self.scaler.unscale_(self.optimiser)
        norm = clip_gradients(self._parameters, self.recipe.grad_clip)
        done = self._apply(sums, norm, lr, step, (stop, save), ceiling)
        self.backward.phases.mark("optimiser_ms")
        return done

    def _enter(self, stage: int) -> None:
        """Take the loss of a stage, and a fresh optimiser if the stage asks for one."""
        if stage == self._stage:
            return
        self._stage = stage
        self.backward.objective = self.objectives[stage]
        if self.recipe.stages[stage - 1].optimiser == "fresh":
            # An average that the optimiser keeps is where its successor starts.
            if isinstance(self.averaging, OptimiserAverage):
                copy_weights(dict(self.model.named_parameters()), self.averaging.weights() or {})
            self.optimiser = build_optimiser(self.recipe.optimiser, self.model, self.recipe.lr)
            if isinstance(self.averaging, OptimiserAverage):
                self.averaging = OptimiserAverage(self.model, self.optimiser)

    def _apply(
        self,
        sums: Sums,
        norm: Tensor,
        lr: float,
        step: int,
        asked: tuple[bool, bool],
        ceiling: float,
    ) -> Step:
        means, grad_norm, (stops, saves) = self._read(sums, norm, asked)
        finite = math.isfinite(grad_norm) and all(map(math.isfinite, means.values()))
        applied = finite and means["loss"] <= ceiling
        # Read before the scaler lowers it.
        excused = not finite and self.scaler.is_enabled() and self.scaler.get_scale() > 1
        norms = {} if applied else self._norms()
        if applied:
            self.scaler.step(self.optimiser)
            self.averaging.update(step + 1)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        limit = self.recipe.grad_clip
        return Step(
            loss=means.pop("loss"),
            terms=means,
            lr=lr,
            grad_norm=grad_norm,
            clipped=limit is not None and grad_norm > limit,
            applied=applied,
            stop=stops,
            save=saves,
            excused=excused,
            norms=norms,
        )

    def _read(
        self, sums: Sums, norm: Tensor, asked: tuple[bool, bool]
    ) -> tuple[dict[str, float], float, tuple[bool, bool]]:
        """Return the means over all processes, the gradient norm (equal on all of them) and whether
        any process asks to stop, or to save. Only here a step waits for the device."""
        means = torch.stack(list(sums.values())).to(norm.dtype)
        packed = torch.cat([means, norm.new_tensor([float(each) for each in asked])])
        *values, stops, saves, grad_norm = torch.cat([self.group.sum(packed), norm[None]]).tolist()
        return (
            {name: value / self.group.world for name, value in zip(sums, values, strict=True)},
            grad_norm,
            (stops > 0, saves > 0),
        )

    def _norms(self) -> dict[str, float]:
        """Return the gradient norm of each part of the network, two names deep."""
        squares: dict[str, float] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None:
                part = ".".join(name.split(".")[:2])
                squares[part] = squares.get(part, 0.0) + parameter.grad.square().sum().item()
        return {part: math.sqrt(square) for part, square in squares.items()}

    def state(self) -> dict[str, Any]:
        """Return the state that later steps depend on, without random streams."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "averaged": self.averaging.weights(),
            "stage": self._stage,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.averaging.load(state["averaged"])
        # Checkpoints from before there were stages are of the first one.
        self._stage = int(state.get("stage", 0))
        self.backward.objective = self.objectives[self._stage]


def _objectives(
    recipes: Sequence[Recipe], teachers: Teachers, precision: Precision
) -> list[Objective]:
    """Return the objective of each stage; stages with the same loss share one."""
    made: list[tuple[Recipe, Objective]] = []
    for recipe in recipes:
        known = [objective for other, objective in made if other.loss == recipe.loss]
        objective = known[0] if known else build_objective(recipe.loss, teachers)
        made.append((recipe, objective.to(precision.device, precision.dtype)))
    return [objective for _, objective in made]
