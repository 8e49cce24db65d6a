"""Check before training what this machine lacks and whether parts fit; match costs of networks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from tempo.core.errors import MissingError
from tempo.core.startup import loading
from tempo.data.batches import Batch
from tempo.data.open_dataset import check_available
from tempo.design.measurements import Width, nearest_width
from tempo.metrics.metric_table import evaluate_pair
from tempo.models.family import build_model, unbuilt
from tempo.models.network_cost import count
from tempo.spec.arch import ArchSpec
from tempo.spec.data import any_time, views_of
from tempo.spec.networks import Network
from tempo.spec.study import RunConfig
from tempo.train.hardware.device import (
    available_cores,
    configure,
    pick_device,
    precision,
    unsupported,
    wants_cuda,
)
from tempo.train.hardware.process_group import Group
from tempo.train.optim.trainer import Trainer
from tempo.train.run.batch_stream import Horizon

SIDE = 32
"""Pixels of the reduced pictures of a rehearsal."""


def missing(config: RunConfig) -> list[str]:
    """Return everything that this machine lacks for `config`, each as a sentence."""
    return [problem for check in (_data, _device, _memory, _packages) for problem in check(config)]


def _sentence(action: Callable[[], object]) -> Iterator[str]:
    try:
        action()
    except MissingError as error:
        yield str(error)


def _data(config: RunConfig) -> Iterator[str]:
    return _sentence(lambda: check_available(config.data))


def _device(config: RunConfig) -> Iterator[str]:
    try:
        device = pick_device(config.runtime)
    except MissingError as error:
        yield str(error)
        return
    reason = unsupported(config.recipe.precision, device)
    if config.method == "network" and reason:
        yield reason


def _memory(config: RunConfig) -> Iterator[str]:
    if config.method != "network":
        return
    recipe, pictures = config.recipe, views_of(config.data) + 1
    needed = recipe.batch * pictures * 3 * recipe.crop**2
    memory = psutil.virtual_memory().total
    if needed > memory:
        yield (
            f"the pictures of one batch ({recipe.batch:,} clips of {pictures} x {recipe.crop} x "
            f"{recipe.crop} pixels) take {needed / 2**30:,.0f} GiB, and this machine has "
            f"{memory / 2**30:,.0f} GiB of memory: choose a smaller recipe.batch or recipe.crop"
        )


def _packages(config: RunConfig) -> Iterator[str]:
    if config.method != "network":
        return
    if config.recipe.optimiser.kind == "schedule_free" and find_spec("schedulefree") is None:
        yield "optimiser schedule_free needs the package schedulefree: pip install schedulefree"
    if config.runtime.compile != "off" and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        yield "runtime.compile needs a C++ compiler on the path (or set runtime.compile to off)"


def rehearse(config: RunConfig) -> float:
    """Build the network, train one step on small random pictures, predict and measure one picture.

    No data is read. Parts of a spec that do not fit raise their error here, in seconds.

    Returns:
        About how much work a training clip is: the multiply-accumulates of one forward pass,
        scaled from the small pictures to the training crop. 0 for a method without weights.

    Raises:
        TempoError: when this machine cannot do what is asked for.
        Exception: whatever the wrong wiring raises.
    """
    if config.method != "network":
        return 0.0
    with loading():
        # An optimiser's first step would import it.
        import_module("torch._dynamo")
    device = pick_device(config.runtime)
    configure(device, config.runtime.threads, config.recipe.precision)
    # Compiling takes minutes and belongs to the run: what it would find is not the spec's fault.
    runtime = config.runtime.model_copy(update={"compile": "off"})
    trainer = small_trainer(config.model_copy(update={"runtime": runtime}), device)
    batch = random_batch(1, views=views_of(config.data))
    if any_time(config.data):
        # A network that knows the middle alone must not find that out in its training.
        batch = replace(batch, target_time=torch.full_like(batch.target_time, 0.25))
    trainer.advance(batch, 0)
    with torch.inference_mode():
        pictures = trainer.precision.pictures(batch.frames)
        times, moment = batch.times.to(pictures), batch.target_time.to(pictures)
        with FlopCounterMode(display=False) as counter:
            prediction = trainer.model(pictures, times, moment).float()
        target = trainer.precision.pictures(batch.target).float()
        evaluate_pair(prediction, target, config.evaluation.validated)
    return float(counter.get_total_flops()) / 2 * (config.recipe.crop / SIDE) ** 2


def small_trainer(config: RunConfig, device: torch.device) -> Trainer:
    """Return a trainer of `config` at the start of a training of one step in one process."""
    return Trainer(
        build_model(config.arch, 0),
        config,
        Horizon(steps=1, batch=1, train_clips=1),
        precision(config.recipe.precision, device),
        Group(),
    )


def random_batch(clips: int, side: int = SIDE, views: int = 2) -> Batch:
    """Return clips of noise, `side` pixels square, with `views` input frames."""
    random = torch.Generator().manual_seed(0)
    shape = (clips, views + 1, 3, side, side)
    pictures = torch.randint(0, 256, shape, generator=random).to(torch.uint8)
    return Batch(
        frames=pictures[:, :views],
        times=torch.linspace(0, 1, views).repeat(clips, 1),
        target=pictures[:, views],
        target_time=torch.full((clips,), 0.5),
        indices=torch.arange(clips),
    )


def same_cost(arch: ArchSpec, target: Network, by: str, crops: tuple[int, int]) -> Width:
    """Return the width at which `arch` has as many parameters or MACs (`by`) as `target`.

    `crops` are the sides in pixels of the square pictures that the two are counted for."""

    def cost(one: Network, side: int) -> float:
        if by == "parameters":
            return float(sum(each.numel() for each in unbuilt(one).parameters()))
        return _macs(one, side)

    return nearest_width(
        lambda width: cost(arch.model_copy(update={"base_channels": width}), crops[0]),
        cost(target, crops[1]),
    )


def _macs(arch: Network, side: int) -> float:
    """Return the multiply-accumulates of one forward pass, as `models.network_cost` counts them."""
    if not isinstance(arch, ArchSpec):
        return float(count(arch, height=side, width=side).macs)
    net = unbuilt(arch)
    with torch.device("meta"):
        inputs = torch.empty(1, 2, 3, side, side), torch.empty(1, 2), torch.empty(1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs)
    return float(counter.get_total_flops()) / 2


def device_slots(configs: Iterable[RunConfig]) -> list[dict[str, str]]:
    """Return the environment of each slot for runs: one per GPU, or one per `threads` CPU cores.

    A study whose runs disagree gets the slots of its most demanding run.
    """
    runtimes = [config.runtime for config in configs]
    if any(wants_cuda(runtime) for runtime in runtimes):
        return [{"CUDA_VISIBLE_DEVICES": name} for name in _visible_gpus()]
    threads = max((runtime.threads for runtime in runtimes), default=1)
    return [{} for _ in range(max(available_cores() // threads, 1))]


def _visible_gpus() -> list[str]:
    """Return the GPUs this process may use, under the names its own environment gives them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]
