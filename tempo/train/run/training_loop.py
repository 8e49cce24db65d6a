"""Run a training to the end of its budget: steps, reports, validations, checkpoints, stops."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from tempo.core.errors import RunError, StoppedError
from tempo.data.batches import Batch
from tempo.records.events import Noted, Validated
from tempo.spec.metrics import is_better
from tempo.spec.recipe import Evaluation
from tempo.spec.study import RunConfig
from tempo.train.evaluation.clip_evaluation import Predictor, Validation
from tempo.train.optim.averaging import with_weights
from tempo.train.optim.guard import Guard, RollBack, Verdict
from tempo.train.optim.trainer import Step, Trainer
from tempo.train.run.batch_stream import Steps, stream_batches
from tempo.train.run.checkpoints import Checkpoints, rng_state, set_rng_state
from tempo.train.run.incidents import skipped
from tempo.train.run.journal import Journal
from tempo.train.run.milestones import stage_note
from tempo.train.run.progress_reports import Reports
from tempo.train.run.stop_request import StopRequest
from tempo.train.run.system_metrics import StepProfiler, SystemMeter

FORMAT = 1
"""Of the state in a checkpoint."""


@dataclass(slots=True)
class Progress:
    """The position of a training in its budget; part of its checkpoint."""

    step: int = 0
    seconds: float = 0.0
    validated: int = 0
    """The last step that was validated."""
    points: list[int] = field(default_factory=list)
    """All validated steps."""
    best_step: int = 0
    best: float | None = None


class Training:
    """One attempt at training a network to the end of its budget."""

    def __init__(
        self,
        trainer: Trainer,
        config: RunConfig,
        steps: Steps,
        validation: Validation,
        folder: Path,
        journal: Journal,
        stop: StopRequest,
    ) -> None:
        self.trainer, self.config, self.steps = trainer, config, steps
        self.validation, self.folder = validation, folder
        self.journal, self.stop = journal, stop
        self.checkpoints = Checkpoints(folder, journal.attempt)
        self.reports = Reports(trainer.horizon, SystemMeter(trainer.precision.device))
        self.guard = Guard(config.recipe.guard)
        self.progress = Progress()
        self._profiler = StepProfiler(config.runtime.profile_steps, folder, journal.attempt)
        self._saved = 0
        self._danger: str | None = None

    def resume(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint, so that steps continue as if undisturbed."""
        self.trainer.load(state["trainer"])
        self.reports.meters.load(state["reports"])
        self.guard.load(state["guard"])
        self.progress = Progress(**state["progress"])
        self._saved = self.journal.step = self.progress.step
        set_rng_state(state["rng"][self.trainer.group.rank])

    def run(self) -> None:
        """Train to the end of the budget.

        Raises:
            StoppedError: after a checkpoint was written, when a stop was asked for.
            RollBack: when the guard wants to resume from the last checkpoint.
            RunError: when the guard ends the run.
        """
        progress, total = self.progress, self.trainer.horizon.steps
        self._after_step(stopping=False)
        device = self.trainer.precision.device
        workers = self.config.runtime.workers
        batches = stream_batches(self.steps, progress.step, workers=workers, device=device)
        self.reports.begin(progress.step, progress.seconds)
        while progress.step < total:
            if progress.step in self.trainer.horizon.borders:
                # What was a common loss before says nothing of the next stage's.
                self.guard.forget()
            begun = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - begun
            done = self._step(batch)
            progress.step += 1
            spent = time.perf_counter() - begun
            progress.seconds += spent
            self.journal.step = progress.step
            self.journal.train_seconds += spent
            self.reports.add(done, waited)
            self._watch(batch, done)
            self._after_step(stopping=done.stop, saving=done.save)

    def _step(self, batch: Batch) -> Step:
        step = self.progress.step
        self._profiler.before(step + 1)
        self._danger = self.journal.danger()
        return self.trainer.advance(
            batch,
            step,
            stop=bool(self.stop),
            save=self._danger is not None,
            ceiling=self.guard.ceiling,
            sample=(step + 1) % self.config.runtime.log_every == 0,
        )

    def _watch(self, batch: Batch, done: Step) -> None:
        """Record a step's trace, and record and act on a step that was skipped."""
        step = self.progress.step
        trace = self._profiler.after(step) if self.trainer.group.leads else None
        if trace is not None:
            self.journal.emit(trace)
        ceiling = self.guard.ceiling
        verdict = self.guard.judge(done.loss, applied=done.applied, excused=done.excused)
        if verdict is Verdict.SOUND:
            return
        if self.trainer.group.leads:
            attempt = self.journal.attempt
            self.journal.emit(skipped(self.folder, attempt, step, batch, done, ceiling))
        if verdict is Verdict.ACT:
            strikes = self.guard.options.strikes
            reason = f"{strikes} steps in a row up to step {step} had to be left out"
            if self.guard.options.policy == "fail":
                raise RunError(f"{reason} (the guard's policy is fail)", "non_finite")
            raise RollBack(step, reason)

    def _after_step(self, *, stopping: bool, saving: bool = False) -> None:
        """Report, validate and save, each if due and once, also when an attempt begins here.

        `saving`: a checkpoint is due, because the lease is in danger.
        """
        step, total = self.progress.step, self.trainer.horizon.steps
        runtime, evaluation = self.config.runtime, self.config.evaluation
        if step % runtime.log_every == 0 or step == total:
            self._report()
        border = step in self.trainer.horizon.borders
        due = step > 0 and (step % evaluation.val_every == 0 or step == total or border)
        try:
            if due and self.progress.validated < step and not stopping:
                self._validate()
        except StoppedError:
            stopping = True
        if border and self._saved < step:
            self.journal.emit(stage_note(self.config.recipe, self.trainer.horizon, step))
        if self._saved < step and (
            due or stopping or saving or step % runtime.checkpoint_every == 0
        ):
            self._save()
        if self._danger:
            message = f"{self._danger}; a checkpoint was written at once"
            self.journal.emit(Noted(step=step, topic="lease", message=message))
            self._danger = None
        if stopping:
            self.stop.check()
            raise StoppedError("another process of the run was asked to stop")

    def _report(self) -> None:
        phases = self.trainer.backward.phases.milliseconds
        report = self.reports.trained(self.progress.step, self.progress.seconds, phases)
        if report is not None:
            self.journal.emit(report)
            note = self.reports.waiting(report)
            if note is not None:
                self.journal.emit(note)

    def _validate(self) -> None:
        step, horizon = self.progress.step, self.trainer.horizon
        with with_weights(self.trainer.model, self.trainer.averaging.weights()):
            values, images = self.validation.run(predictor(self.trainer), step, self.stop)
        self.progress.validated = step
        self.progress.points.append(step)
        metric, best = self.config.evaluation.select_by, self.progress.best
        value = values.get(metric, math.nan)
        if not math.isnan(value) and (best is None or is_better(metric, value, best)):
            self.progress.best, self.progress.best_step = value, step
        self.journal.emit(
            Validated(
                step=step,
                clips=horizon.clips(step),
                epoch=horizon.epoch(step),
                seconds=self.progress.seconds,
                values=values,
            )
        )
        for image in images:
            self.journal.emit(image)

    def _save(self) -> None:
        step = self.progress.step
        streams = self.trainer.group.gather([rng_state()])
        if self.trainer.group.leads:
            state = self.state([part[0] for part in streams])
            best = self.progress.best_step == step
            self.journal.emit(self.checkpoints.save(step, state, best=best))
            self.checkpoints.rotate(needed(self.config.evaluation, self.progress))
        self._saved = step

    def state(self, streams: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the complete state; `streams`: the random streams of every process."""
        return {
            "format": FORMAT,
            "trainer": self.trainer.state(),
            "reports": self.reports.meters.state(),
            "guard": self.guard.state(),
            "progress": {name: getattr(self.progress, name) for name in Progress.__slots__},
            "rng": list(streams),
        }


def needed(evaluation: Evaluation, progress: Progress) -> list[int]:
    """Return the steps whose checkpoints the evaluation will need, oldest first."""
    if evaluation.select in {"average", "ensemble"}:
        return progress.points[-evaluation.over :]
    if evaluation.select == "best" and progress.best is not None:
        return [progress.best_step]
    return []


def predictor(trainer: Trainer) -> Predictor:
    """Return the trained network as a predictor: float32 pictures in, pictures out.

    It predicts in evaluation mode, which matters to networks of plug-ins that drop out or
    normalise over a batch.
    """
    dtype = trainer.precision.dtype

    def predict(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        training = trainer.model.training
        # Frozen parts stay in evaluation mode while others are trained.
        still = [each for each in trainer.model.modules() if not each.training]
        trainer.model.eval()
        try:
            out: Tensor = trainer.model(frames.to(dtype), times.to(dtype), moment.to(dtype))
        finally:
            trainer.model.train(training)
            for each in still:
                each.training = False
        return out

    return predict
