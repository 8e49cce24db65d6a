"""From one step to the whole training: reports, validations, checkpoints, stopping."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tempo.core.errors import StoppedError
from tempo.records.events import Trained, Validated
from tempo.spec.study import RunConfig
from tempo.train.averaging import swapped
from tempo.train.checkpoints import Checkpoints
from tempo.train.evaluate import Predictor
from tempo.train.inputs import Steps, stream_batches
from tempo.train.journal import Journal
from tempo.train.meters import Meters
from tempo.train.rng import rng_state, set_rng_state
from tempo.train.stop import StopRequest
from tempo.train.trainer import Trainer
from tempo.train.validate import Validation

FORMAT = 1
"""Of the state in a checkpoint."""


@dataclass(slots=True)
class Progress:
    """Where a training stands; part of its checkpoint."""

    step: int = 0
    seconds: float = 0.0
    validated: int = 0
    """The last step that was validated."""
    points: list[int] = field(default_factory=list)
    """All validated steps whose checkpoints count."""
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
        checkpoints: Checkpoints,
        journal: Journal,
        stop: StopRequest,
    ) -> None:
        self.trainer, self.config, self.steps = trainer, config, steps
        self.validation, self.checkpoints = validation, checkpoints
        self.journal, self.stop = journal, stop
        self.meters = Meters()
        self.progress = Progress()
        self._saved = 0
        self._mark = (0, 0.0)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint: exactly what an undisturbed run would do next."""
        self.trainer.load(state["trainer"])
        self.meters.load(state["meters"])
        self.progress = Progress(**state["progress"])
        self._saved = self.journal.step = self.progress.step
        set_rng_state(state["rng"][self.trainer.group.rank])

    def run(self) -> None:
        """Train to the end of the budget.

        Raises:
            StoppedError: after a checkpoint was written, when a stop was asked for.
        """
        total = self.trainer.horizon.steps
        self._after_step(stopping=False)
        runtime = self.config.runtime
        batches = stream_batches(
            self.steps,
            self.progress.step,
            workers=runtime.workers,
            device=self.trainer.precision.device,
        )
        self._mark = (self.progress.step, self.progress.seconds)
        while self.progress.step < total:
            begun = time.perf_counter()
            batch = next(batches)
            ready = time.perf_counter()
            done = self.trainer.advance(batch, self.progress.step, stop=bool(self.stop))
            self.progress.step += 1
            ended = time.perf_counter()
            self.progress.seconds += ended - begun
            self.journal.step = self.progress.step
            self.journal.train_seconds += ended - begun
            self.meters.add(done.values() | {"data_ms": 1e3 * (ready - begun)})
            self._after_step(stopping=done.stop)

    def _after_step(self, *, stopping: bool) -> None:
        """Whatever is due at this step, each once, also when an attempt begins here."""
        step, total = self.progress.step, self.trainer.horizon.steps
        runtime, evaluation = self.config.runtime, self.config.evaluation
        if step > self._mark[0] and (step % runtime.log_every == 0 or step == total):
            self._report()
        due = step > 0 and (step % evaluation.val_every == 0 or step == total)
        try:
            if due and self.progress.validated < step and not stopping:
                self._validate()
        except StoppedError:
            stopping = True
        if self._saved < step and (due or stopping or step % runtime.checkpoint_every == 0):
            self._save()
        if stopping:
            self.stop.check()
            raise StoppedError("another process of the run was asked to stop")

    def _report(self) -> None:
        step, horizon = self.progress.step, self.trainer.horizon
        steps, seconds = step - self._mark[0], self.progress.seconds - self._mark[1]
        self._mark = (step, self.progress.seconds)
        speed = {
            "samples_per_s": horizon.batch * steps / seconds,
            "step_ms": 1e3 * seconds / steps,
        }
        self.journal.emit(
            Trained(
                step=step,
                clips=horizon.clips(step),
                epoch=horizon.epoch(step),
                values=self.meters.drain() | speed,
            )
        )

    def _validate(self) -> None:
        step, horizon = self.progress.step, self.trainer.horizon
        with swapped(self.trainer.model, self.trainer.averaging.weights()):
            values, images = self.validation.run(predictor(self.trainer), step, self.stop)
        self.progress.validated = step
        self.progress.points.append(step)
        if self.progress.best is None or values["psnr"] > self.progress.best:
            self.progress.best, self.progress.best_step = values["psnr"], step
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
            self.journal.emit(
                self.checkpoints.save(
                    step,
                    self.state([part[0] for part in streams]),
                    best=self.progress.best_step == step,
                )
            )
            self.checkpoints.rotate(self.needed())
        self._saved = step

    def state(self, streams: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The complete state; `streams`: the random streams of every process."""
        progress = {name: getattr(self.progress, name) for name in Progress.__slots__}
        return {
            "format": FORMAT,
            "trainer": self.trainer.state(),
            "meters": self.meters.state(),
            "progress": progress,
            "rng": list(streams),
        }

    def needed(self) -> list[int]:
        """Steps whose checkpoints the evaluation will ask for."""
        evaluation = self.config.evaluation
        if evaluation.select in {"average", "ensemble"}:
            return self.progress.points[-evaluation.over :]
        return [self.progress.best_step] if evaluation.select == "best" else []


def predictor(trainer: Trainer) -> Predictor:
    """The network as evaluation calls it: float32 pictures in, pictures out."""
    dtype = trainer.precision.dtype
    return lambda frames, times, moment: trainer.model(
        frames.to(dtype), times.to(dtype), moment.to(dtype)
    )
