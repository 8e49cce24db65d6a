"""What the training engine costs over a bare PyTorch loop, as paired ratios.

    python benchmarks/engine_overhead.py
    python benchmarks/engine_overhead.py --device cuda --base 64 --batch 16 --crop 256 \
        --precision bf16

Every candidate trains the same network on the same batches, in the same precision, with the same
AdamW, clipping and EMA; Lightning and Accelerate take part where they are installed. They take
turns within each round, so that whatever slows the machine slows all of them, and a ratio compares
neighbours in time. Printed are medians over rounds, with the range; on a CPU (one thread) time is
that of the process, so that other processes disturb less. Validation, checkpoints and
compilation are not in it; reports, guards and stop requests are.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tempo.data.batches import Batch
from tempo.ledger.lease import take
from tempo.ledger.lease_keeper import LeaseKeeper
from tempo.ledger.open import open_ledger
from tempo.losses import build_objective
from tempo.models.family import build_model
from tempo.spec.study import RunConfig
from tempo.train.hardware.device import AUTOCAST, configure, precision
from tempo.train.hardware.process_group import Group
from tempo.train.optim.optimisers import learning_rate, parameter_groups
from tempo.train.optim.trainer import Trainer
from tempo.train.run.batch_stream import Horizon
from tempo.train.run.journal import Journal
from tempo.train.run.stop_request import StopRequest
from tempo.train.run.training_loop import Training

EMA = 0.999
BATCHES = 8
"""Different batches, prepared beforehand: the data set is not what is measured."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--base", type=int, default=8, help="base channels")
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=32)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--steps", type=int, default=10, help="of one candidate in one round")
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


def config_of(chosen: argparse.Namespace) -> RunConfig:
    total = chosen.steps * (chosen.rounds + 1)
    return RunConfig.model_validate(
        {
            "arch": {"base_channels": chosen.base, "blocks": chosen.blocks},
            "data": "procedural",
            "recipe": {
                "batch": chosen.batch,
                "crop": chosen.crop,
                "precision": chosen.precision,
                "ema": EMA,
                "budget": {"steps": total},
            },
            "evaluation": {"val_every": 10**9},
            "runtime": {"device": chosen.device, "log_every": 20, "checkpoint_every": 10**9},
        }
    )


def batches_of(chosen: argparse.Namespace) -> list[Batch]:
    random = torch.Generator().manual_seed(0)
    shape = (chosen.batch, 3, 3, chosen.crop, chosen.crop)

    def one() -> Batch:
        pictures = torch.randint(0, 256, shape, generator=random).to(torch.uint8)
        frames, target = pictures[:, :2].contiguous(), pictures[:, 2].contiguous()
        if chosen.device == "cuda":
            frames, target = frames.pin_memory(), target.pin_memory()
        times = torch.tensor([[0.0, 1.0]]).repeat(chosen.batch, 1)
        moment = torch.full((chosen.batch,), 0.5)
        return Batch(
            frames=frames,
            times=times,
            target=target,
            target_time=moment,
            indices=torch.arange(chosen.batch),
        )

    return [one() for _ in range(BATCHES)]


class Parts:
    """What every candidate is made of, each with its own copy of the weights."""

    def __init__(self, config: RunConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.model = build_model(config.arch, 0).to(device)
        groups = parameter_groups(self.model, 1e-4)
        self.optimiser = torch.optim.AdamW(groups, lr=config.recipe.lr, fused=True)
        self.objective = build_objective(config.recipe.loss)
        self.live = [each.detach() for each in self.model.parameters()]
        self.mean = [each.clone() for each in self.live]
        self.steps = 0

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        frames = batch.frames.to(self.device, non_blocking=True).float().div_(255)
        target = batch.target.to(self.device, non_blocking=True).float().div_(255)
        times = batch.times.to(self.device, non_blocking=True)
        return frames, times, batch.target_time.to(self.device, non_blocking=True), target

    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        total: Tensor = self.objective(prediction.float(), target, 0.0)[0]
        return total.mean()

    def set_rate(self) -> None:
        recipe = self.config.recipe
        steps = recipe.budget.steps or 1
        rate = learning_rate(recipe.schedule, recipe.lr, recipe.warmup, steps, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.steps += 1

    @torch.no_grad()
    def average(self) -> None:
        torch._foreach_lerp_(self.mean, self.live, 1 - EMA)


Run = Callable[[Iterator[Batch], int], float]
"""Trains on some batches and returns the seconds a step took."""


def timed(device: torch.device, train: Callable[[], Any], steps: int) -> float:
    begun = _now(device)
    train()
    return (_now(device) - begun) / steps


def _now(device: torch.device) -> float:
    """Seconds on a clock of which differences count."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def bare(config: RunConfig, device: torch.device) -> Run:
    parts = Parts(config, device)
    dtype = AUTOCAST.get(config.recipe.precision)

    def run(batches: Iterator[Batch], steps: int) -> float:
        def train() -> None:
            for batch in itertools.islice(batches, steps):
                parts.set_rate()
                frames, times, moment, target = parts.inputs(batch)
                with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
                    prediction = parts.model(frames, times, moment)
                parts.loss(prediction, target).backward()
                nn.utils.clip_grad_norm_(parts.model.parameters(), config.recipe.grad_clip or 1e9)
                parts.optimiser.step()
                parts.optimiser.zero_grad(set_to_none=True)
                parts.average()

        return timed(device, train, steps)

    return run


class Endless(Training):
    """The engine's loop without validation and checkpoints."""

    def _validate(self) -> None:
        self.progress.validated = self.progress.step

    def _save(self) -> None:
        self._saved = self.progress.step


class Prepared:
    """Stands for the batches of a data set."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.batches, self.length = batches, 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, step: int) -> Batch:
        return next(self.batches)


def engine(config: RunConfig, device: torch.device) -> Run:
    total = config.recipe.budget.steps or 1
    plan = Horizon(total, config.recipe.batch, 10_000)
    kind = precision(config.recipe.precision, device)
    trainer = Trainer(build_model(config.arch, 0), config, plan, kind, Group())
    folder = Path(tempfile.mkdtemp(prefix="engine-overhead-"))
    prepared = Prepared(iter(()))
    lease, stop = take(open_ledger(None, folder), "overhead"), StopRequest()
    assert lease is not None
    LeaseKeeper(lease, stop.ask).start()
    parts: Any = (trainer, config, prepared, None, folder, Journal(folder, Group(), lease), stop)
    training = Endless(*parts)

    def run(batches: Iterator[Batch], steps: int) -> float:
        prepared.batches = batches
        prepared.length = training.progress.step + steps
        trainer.horizon = Horizon(prepared.length, plan.batch, plan.train_clips)
        return timed(device, training.run, steps)

    return run


def accelerate(config: RunConfig, device: torch.device) -> Run:
    from accelerate import Accelerator

    parts = Parts(config, device)
    mixed = "bf16" if config.recipe.precision == "bf16" else "no"
    accelerator = Accelerator(mixed_precision=mixed, cpu=device.type == "cpu")
    model, optimiser = accelerator.prepare(parts.model, parts.optimiser)

    def run(batches: Iterator[Batch], steps: int) -> float:
        def train() -> None:
            for batch in itertools.islice(batches, steps):
                parts.set_rate()
                frames, times, moment, target = parts.inputs(batch)
                with accelerator.autocast():
                    prediction = model(frames, times, moment)
                accelerator.backward(parts.loss(prediction, target))
                accelerator.clip_grad_norm_(model.parameters(), config.recipe.grad_clip or 1e9)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                parts.average()

        return timed(device, train, steps)

    return run


def lightning(config: RunConfig, device: torch.device) -> Run:
    import lightning as pl

    parts = Parts(config, device)
    clock: dict[str, float] = {}

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = parts.model

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return parts.optimiser

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            frames, target, times, moment = batch
            picture = self.model(frames.float().div_(255), times, moment)
            return parts.loss(picture, target.float().div_(255))

        def configure_gradient_clipping(self, optimizer: Any, *rest: Any, **more: Any) -> None:
            # Lightning's own clipping refuses the fused AdamW that everyone else uses on a GPU.
            torch.nn.utils.clip_grad_norm_(self.parameters(), config.recipe.grad_clip or 1e9)

    class Clock(pl.Callback):
        def on_train_start(self, trainer: Any, module: Any) -> None:
            clock["begun"] = _now(device)

        def on_train_batch_start(self, *rest: Any) -> None:
            parts.set_rate()

        def on_train_batch_end(self, *rest: Any) -> None:
            parts.average()

        def on_train_end(self, trainer: Any, module: Any) -> None:
            clock["ended"] = _now(device)

    module = Module()
    mixed = "bf16-mixed" if config.recipe.precision == "bf16" else "32-true"

    def run(batches: Iterator[Batch], steps: int) -> float:
        given = [
            [b.frames, b.target, b.times, b.target_time] for b in itertools.islice(batches, steps)
        ]
        loader = torch.utils.data.DataLoader(given, batch_size=None)  # type: ignore[arg-type,var-annotated]
        trainer = pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            precision=mixed,  # type: ignore[arg-type]
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Clock()],
        )
        trainer.fit(module, loader)
        return (clock["ended"] - clock["begun"]) / steps

    return run


def main() -> None:
    chosen = options()
    config, device = config_of(chosen), torch.device(chosen.device, 0)
    configure(device, 1, chosen.precision)
    batches = itertools.cycle(batches_of(chosen))
    makers = {"bare loop": bare, "tempo": engine}
    if find_spec("accelerate"):
        makers["accelerate"] = accelerate
    if find_spec("lightning"):
        makers["lightning"] = lightning
    runs = {name: make(config, device) for name, make in makers.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(chosen.rounds + 1):
        order = list(runs) if turn % 2 else list(reversed(runs))
        for name in order:
            seconds = runs[name](batches, chosen.steps)
            if turn:  # The first round warms up.
                times[name].append(seconds)
    report(chosen, times)


def report(chosen: argparse.Namespace, times: dict[str, list[float]]) -> None:
    where = torch.cuda.get_device_name() if chosen.device == "cuda" else "cpu, 1 thread"
    print(
        f"tempo_v3 base {chosen.base} blocks {chosen.blocks}, batch {chosen.batch}, crop "
        f"{chosen.crop}, {chosen.precision}, {where}, torch {torch.__version__}; "
        f"{chosen.rounds} rounds of {chosen.steps} steps"
    )
    base = times["bare loop"]
    for name, values in times.items():
        ratios = [mine / theirs for mine, theirs in zip(values, base, strict=True)]
        print(
            f"{name:12} {1e3 * statistics.median(values):8.2f} ms/step   "
            f"ratio {statistics.median(ratios):.4f} ({min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()
