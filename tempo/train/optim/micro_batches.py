"""Accumulate the gradients of a batch over micro-batches and processes, halved to fit memory."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel

from tempo.core.errors import MissingError, RunError
from tempo.data.batches import Batch
from tempo.losses import Objective
from tempo.train.hardware.compiled_code import compile_network
from tempo.train.hardware.device import Precision, out_of_memory
from tempo.train.hardware.fitting_memory import recompute
from tempo.train.hardware.process_group import Group
from tempo.train.run.batch_stream import part_of
from tempo.train.run.system_metrics import Phases

Sums = dict[str, Tensor]
"""The mean of the loss and of its terms over this process's share of a batch."""

Tell = Callable[[int, int], None]
"""Called with the micro-batch that did not fit and the one that is tried instead."""


class Backward:
    """Computes the gradients of the mean objective over the global batch.

    How the batch is divided into micro-batches and over processes changes the sum's order and
    nothing else.

    Args:
        micro: clips per backward pass.
        halves: whether lack of memory halves `micro`; otherwise it is an error.
        recomputes: whether lack of memory first makes the network recompute its activations.

    Raises:
        MissingError: when several processes are to compile by regions.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        precision: Precision,
        scaler: GradScaler,
        group: Group,
        *,
        micro: int,
        halves: bool,
        recomputes: bool = False,
        compile_mode: str = "off",
    ) -> None:
        self.model, self.objective = model, objective
        self.precision, self.scaler, self.group = precision, scaler, group
        self.micro, self.halves, self.recomputes = micro, halves, recomputes
        self.phases = Phases(precision.device)
        self.tell: Tell = lambda tried, halved: None
        self.tell_recomputed: Callable[[], None] = lambda: None
        if compile_mode == "regions" and group.world > 1:
            raise MissingError(
                "runtime.compile regions is for runs of one process, and this one has "
                f"{group.world} (set runtime.compile to default)"
            )
        self._alone = compile_network(model, compile_mode)
        self._spread = _spread(self._alone, precision.device, group)

    def run(self, batch: Batch, progress: float) -> Sums:
        """Add the gradients of `batch` to the parameters.

        On lack of memory the step is done again in halves, with the same random numbers. Where
        several processes share a batch, the others are already waiting: the attempt ends.
        """
        while True:
            streams = _streams(self.precision.device)
            try:
                return self._accumulate(batch, progress, self._spread)
            except Exception as error:
                if not self._may_halve(error):
                    raise
                if self.group.world > 1:
                    self._make_room()
                    raise
            self._clear(streams)
            self._make_room()

    def warm_up(self, batch: Batch) -> float:
        """Run `batch` once without effect, to compile and to find a micro-batch that fits on every
        process. Returns the seconds it took. Weights and random streams stay."""
        begun = time.perf_counter()
        streams = _streams(self.precision.device)
        while True:
            fits = self._fits(batch)
            self._clear(streams)
            if all(flag for (flag,) in self.group.gather([fits])):
                break
            self._make_room()
        if self.precision.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begun

    def _fits(self, batch: Batch) -> bool:
        try:
            self._accumulate(batch, 0.0, self._alone)
        except Exception as error:
            if not self._may_halve(error):
                raise
            return False
        return True

    def _may_halve(self, error: Exception) -> bool:
        return (self.halves or self.recomputes) and out_of_memory(error)

    def _make_room(self) -> None:
        """Recompute activations from now on where that is to be tried, else halve."""
        if self.recomputes:
            self.recomputes = False
            if recompute(self.model):
                self.tell_recomputed()
                return
        self._halve()

    def _halve(self) -> None:
        if not self.halves:
            raise RunError(
                f"a micro-batch of {self.micro} (runtime.micro_batch) does not fit into memory; "
                "choose a smaller one, or auto",
                "oom",
            )
        if self.micro == 1:
            raise RunError("a single clip does not fit into memory; choose a smaller crop", "oom")
        halved = (self.micro + 1) // 2
        self.tell(self.micro, halved)
        self.micro = halved

    def _clear(self, streams: list[Tensor]) -> None:
        for parameter in self.model.parameters():
            parameter.grad = None
        _set_streams(self.precision.device, streams)
        if self.precision.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()

    def _accumulate(self, batch: Batch, progress: float, forward: nn.Module) -> Sums:
        clips = len(batch.target)
        sums: Sums = {}
        for part, last in _parts(batch, self.micro):
            with _unsynchronised(forward, last=last):
                values = self._part(part, progress, clips, forward)
            sums = {name: sums[name] + each if sums else each for name, each in values.items()}
        return sums

    def _part(self, part: Batch, progress: float, clips: int, forward: nn.Module) -> Sums:
        frames, target = self.precision.pictures(part.frames), self.precision.pictures(part.target)
        times = part.times.to(frames.device, frames.dtype, non_blocking=True)
        moment = part.target_time.to(frames.device, frames.dtype, non_blocking=True)
        with self.precision.autocast():
            prediction = forward(frames, times, moment)
            taught = self.objective.teach(frames, times, moment)
        taught = {name: each.to(frames.dtype) for name, each in taught.items()}
        total, terms = self.objective(prediction.to(frames.dtype), target, progress, taught)
        loss = total.sum() / clips
        self.phases.mark("forward_ms")
        self.scaler.scale(loss).backward()
        self.phases.mark("backward_ms")
        return {"loss": loss.detach()} | {name: each.sum() / clips for name, each in terms.items()}


def _spread(model: nn.Module, device: torch.device, group: Group) -> nn.Module:
    """Average gradients over the processes while they are computed.

    Looking for unused parameters keeps the gradients' buckets as they were first laid out, so that
    a resumed run adds up in the same order as an undisturbed one.
    """
    if group.world == 1:
        return model
    with warnings.catch_warnings():
        # Its new name is not known to the oldest torch that Tempo supports.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        return DistributedDataParallel(
            model,
            device_ids=[device.index] if device.type == "cuda" else None,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
            find_unused_parameters=True,
        )


def _unsynchronised(forward: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
    if isinstance(forward, DistributedDataParallel) and not last:
        return cast(AbstractContextManager[Any], forward.no_sync())
    return nullcontext()


def _parts(batch: Batch, size: int) -> Iterator[tuple[Batch, bool]]:
    clips = len(batch.target)
    for start in range(0, clips, size):
        whole = size >= clips
        yield batch if whole else part_of(batch, start, start + size), start + size >= clips


def _streams(device: torch.device) -> list[Tensor]:
    streams = [torch.get_rng_state()]
    return [*streams, torch.cuda.get_rng_state(device)] if device.type == "cuda" else streams


def _set_streams(device: torch.device, streams: list[Tensor]) -> None:
    torch.set_rng_state(streams[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(streams[1], device)
