"""Check before training what this machine lacks and whether parts fit; match costs of networks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tempo.backbones.frozen_files import check_file
from tempo.core.errors import MissingError, SpecError
from tempo.core.startup import lacks_shared_memory, loading
from tempo.data.batches import Batch
from tempo.data.open_dataset import check_available
from tempo.design.measurements import Width, nearest_width
from tempo.metrics.metric_table import evaluate_pair
from tempo.models.family import build_model, unbuilt
from tempo.models.network_cost import count
from tempo.models.weight_transfer import copy_weights_of, freeze
from tempo.spec.arch import ArchSpec
from tempo.spec.data import any_time, views_of
from tempo.spec.losses import frozen_files
from tempo.spec.networks import Network
from tempo.spec.options import Options
from tempo.spec.study import RunConfig
from tempo.train.hardware.device import (
    available_cores,
    configure,
    pick_device,
    precision,
    unsupported,
    wants_cuda,
)
from tempo.train.hardware.fused_kernels import refusal
from tempo.train.hardware.process_group import Group
from tempo.train.optim.trainer import Trainer
from tempo.train.run.batch_stream import Horizon, Span
from tempo.train.run.parent_weights import weights_in_file
from tempo.train.run.teachers import Networks, untrained_teachers

SIDE = 32
"""Pixels of the reduced pictures of a rehearsal."""

ALONE: Networks = {}


def missing(config: RunConfig) -> list[str]:
    """Return everything that this machine lacks for `config`, each as a sentence."""
    checks = (_data, _device, _memory, _shared_memory, _packages, _frozen)
    return [problem for check in checks for problem in check(config)]


def _sentence(action: Callable[[], object]) -> Iterator[str]:
    try:
        action()
    except MissingError as error:
        yield str(error)


def _data(config: RunConfig) -> Iterator[str]:
    return (said for each in config.datasets for said in _missing_data(each))


def _missing_data(data: Options) -> Iterator[str]:
    return _sentence(lambda: check_available(data))


def _device(config: RunConfig) -> Iterator[str]:
    try:
        device = pick_device(config.runtime)
    except MissingError as error:
        yield str(error)
        return
    reason = unsupported(config.recipe.precision, device)
    if config.method == "network" and reason:
        yield reason
    if reason := refusal(config):
        yield reason


def _memory(config: RunConfig) -> Iterator[str]:
    if config.method != "network":
        return
    recipe, pictures = config.recipe, views_of(config.data) + 1
    crop = max(stage.crop for stage in recipe.stage_recipes)
    needed = recipe.batch * pictures * 3 * crop**2
    memory = psutil.virtual_memory().total
    if needed > memory:
        yield (
            f"the pictures of one batch ({recipe.batch:,} clips of {pictures} x {crop} x "
            f"{crop} pixels) take {needed / 2**30:,.0f} GiB, and this machine has "
            f"{memory / 2**30:,.0f} GiB of memory: choose a smaller recipe.batch or recipe.crop"
        )


def _shared_memory(config: RunConfig) -> Iterator[str]:
    """Yield why processes that load the data could not hand it on."""
    workers = config.runtime.workers
    if config.method == "network" and workers and (why := lacks_shared_memory()):
        yield (
            f"{why}, which the {workers} processes that load data need (runtime.workers): let it "
            "be written, or load data in the training process (--set runtime.workers=0)"
        )


def _packages(config: RunConfig) -> Iterator[str]:
    if config.method != "network":
        return
    if config.recipe.optimiser.kind == "schedule_free" and find_spec("schedulefree") is None:
        yield "optimiser schedule_free needs the package schedulefree: pip install schedulefree"
    if config.runtime.compile != "off" and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        yield "runtime.compile needs a C++ compiler on the path (or set runtime.compile to off)"


def _frozen(config: RunConfig) -> Iterator[str]:
    if config.method != "network":
        return
    files = [each for recipe in config.recipe.stage_recipes for each in frozen_files(recipe.loss)]
    for given in dict.fromkeys(files):
        yield from _sentence(lambda given=given: check_file(given))  # type: ignore[misc]


def rehearse(config: RunConfig, parents: Networks = ALONE) -> float:
    """Build the network, train one step on small random pictures, predict and measure one picture.

    No data is read. Parts of a spec that do not fit raise their error here, in seconds. `parents`
    describes, by source, the networks whose weights are taken: {"config": config of their run} or
    {"path": file}. Their weights need not exist yet, so names and shapes alone are compared.

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
    trainer = small_trainer(config.model_copy(update={"runtime": runtime}), device, parents)
    _check_crops(trainer, config)
    for step, data in enumerate(config.stage_data):
        trainer.advance(_batch_like(data), step)
    batch = _batch_like(config.data)
    with torch.inference_mode():
        pictures = trainer.precision.pictures(batch.frames)
        times, moment = batch.times.to(pictures), batch.target_time.to(pictures)
        with FlopCounterMode(display=False) as counter:
            prediction = trainer.model(pictures, times, moment).float()
        target = trainer.precision.pictures(batch.target).float()
        evaluate_pair(prediction, target, config.evaluation.validated)
    return float(counter.get_total_flops()) / 2 * (config.recipe.crop / SIDE) ** 2


def _check_crops(trainer: Trainer, config: RunConfig) -> None:
    """Raise a SpecError for a crop that is too small for a loss."""
    for recipe, objective in zip(config.recipe.stage_recipes, trainer.objectives, strict=True):
        sides = [recipe.crop, *(each.crop for each in recipe.progressive_crop)]
        if min(sides) < objective.smallest:
            raise SpecError(
                f"recipe.crop is {min(sides)}, and the loss needs pictures of at least "
                f"{objective.smallest} pixels: choose a larger crop, or less deep layers in "
                "recipe.loss.layers"
            )


def small_trainer(config: RunConfig, device: torch.device, parents: Networks = ALONE) -> Trainer:
    """Return a trainer of `config` in one process, before the first of one step in each stage.

    Weights of `parents` are compared by name and shape, and not copied.
    """
    net = build_model(config.arch, 0)
    if config.recipe.init is not None and config.recipe.init.source in parents:
        here = _on_meta(config.arch)
        copy_weights_of(
            here, _weights_on_meta(parents[config.recipe.init.source]), config.recipe.init
        )
    freeze(net, config.recipe.freeze)
    stages = tuple(Span(number, 1, 1) for number in range(1 + len(config.recipe.stages)))
    return Trainer(
        net,
        config,
        Horizon(steps=len(stages), batch=1, train_clips=1, spans=stages),
        precision(config.recipe.precision, device),
        Group(),
        teachers=untrained_teachers(config.recipe, parents, config.arch),
    )


def _weights_on_meta(network: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
    """Return the names and shapes of a network's weights."""
    if "path" in network:
        return weights_in_file(Path(network["path"]).expanduser())
    return _on_meta(RunConfig.model_validate(network["config"]).arch).state_dict()


def _on_meta(arch: Network) -> nn.Module:
    """Return a network without the values of its weights; one of a plug-in is built whole first,
    as it may need more than shapes."""
    return unbuilt(arch) if isinstance(arch, ArchSpec) else build_model(arch, 0).to("meta")


def _batch_like(data: Options) -> Batch:
    """Return a clip of noise with as many frames as those of a data set, at a time it asks for."""
    batch = random_batch(1, views=views_of(data))
    if any_time(data):
        # A network that knows the middle alone must not find that out in its training.
        batch = replace(batch, target_time=torch.full_like(batch.target_time, 0.25))
    return batch


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
