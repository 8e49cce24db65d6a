"""Count a network's parameters, multiply-accumulates and activation memory in one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from tempo.models.family import build_model, unbuilt
from tempo.spec.arch import SCALES, ArchSpec
from tempo.spec.networks import Network

SMALL = 2 * 48 * 48
"""Pixels of all frames up to which a network is run for real: the meta device works out in Python
what each operation returns, which takes longer than computing it for so few."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Hold what a network costs for one sample."""

    parameters: int
    macs: int
    """Multiply-accumulates of convolutions, linear layers and attention in one forward."""
    activation_bytes: int
    """Float32 tensors kept for the backward pass, parameters not included."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold one row of an architecture summary. Empty fields do not apply to the stage."""

    name: str
    width: int
    blocks: tuple[int, ...]
    dilations: tuple[int, ...]
    se: str
    cost: Cost


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold the cost of an architecture, by stage and in all."""

    frames: int
    height: int
    width: int
    stages: tuple[Stage, ...]
    total: Cost


def count(arch: Network, *, frames: int = 2, height: int = 256, width: int = 256) -> Cost:
    """Return the cost of one sample of `frames` frames of `height` x `width` pixels."""
    return summarise(arch, frames=frames, height=height, width=width).total


def summarise(arch: Network, *, frames: int = 2, height: int = 256, width: int = 256) -> Summary:
    """Return the cost of one sample, stage by stage, from a forward pass.

    The pass is on the meta device, or on the processor where pictures are `SMALL` and where a
    network of a plug-in needs real numbers: the counts are the same.
    """
    small = frames * height * width <= SMALL
    try:
        net, counter, kept = _run(arch, frames, height, width, "cpu" if small else "meta")
    except Exception:
        if small or isinstance(arch, ArchSpec):
            raise
        net, counter, kept = _run(arch, frames, height, width, "cpu")
    flops = {path: sum(ops.values()) for path, ops in counter.get_flop_counts().items()}
    root = type(net).__name__

    def cost(*paths: str) -> Cost:
        modules = [net.get_submodule(path) for path in paths]
        return Cost(
            sum(p.numel() for module in modules for p in module.parameters()),
            sum(flops.get(f"{root}.{path}" if path else root, 0) for path in paths) // 2,
            sum(kept.within(path) for path in paths),
        )

    rows = _stages(arch, cost) if isinstance(arch, ArchSpec) else _parts(net, cost)
    return Summary(frames, height, width, rows, cost(""))


def _run(
    arch: Network, frames: int, height: int, width: int, device: str
) -> tuple[nn.Module, FlopCounterMode, SavedActivations]:
    """Run the network once on a device and return it with what was counted.

    Attention is computed by products of matrices: its kernels for processors are not counted.
    """
    net = unbuilt(arch) if device == "meta" else build_model(arch, 0)
    with torch.device(device):
        pictures = torch.zeros(1, frames, 3, height, width)
        times = torch.linspace(0, 1, frames)[None]
        moment = torch.full((1,), 0.5)
    counter, kept = FlopCounterMode(display=False), SavedActivations(net)
    # What a network draws at random, such as what it drops, is not taken from a training's stream.
    with torch.random.fork_rng(devices=[]), counter, kept, sdpa_kernel(SDPBackend.MATH):
        net(pictures, times, moment)
    return net, counter, kept


def _parts(net: nn.Module, cost: Callable[..., Cost]) -> tuple[Stage, ...]:
    """Return a row for each part of a network of a plug-in, as its module names them."""
    return tuple(Stage(name, 0, (), (), "", cost(name)) for name, _ in net.named_children())


def _stages(arch: ArchSpec, cost: Callable[..., Cost]) -> tuple[Stage, ...]:
    widths = arch.channels
    rows = [Stage("time", 0, (), (), "", cost("time_encoder", "temporal_weights"))]
    if arch.motion.kind != "none":
        width = getattr(arch.motion, "channels", 0)
        rows.append(Stage("motion", width, (), (), "", cost("motion")))
    for scale, groups in enumerate(arch.blocks):
        longest = max(groups, default=0)
        pattern = tuple(arch.dilations[i % len(arch.dilations)] for i in range(longest))
        path = f"encoder.stages.{scale}"
        name = f"encoder {_scale(scale)}"
        rows.append(Stage(name, widths[scale], groups, pattern, arch.se.kind, cost(path)))
    rows.append(Stage("fusion", 0, (), (), "", cost("fusion")))
    refine: tuple[int, ...] = arch.decoder.refine  # type: ignore[attr-defined]
    for index, blocks in enumerate(refine):
        scale = SCALES - 2 - index
        path = f"decoder.stages.{index}"
        name = f"decoder {_scale(scale)}"
        pattern = (1,) if blocks else ()
        rows.append(Stage(name, widths[scale], (blocks,), pattern, arch.se.kind, cost(path)))
    rows.append(Stage("head", widths[0], (), (), "", cost("head", "output", "scene_cut")))
    return tuple(rows)


def _scale(scale: int) -> str:
    return f"1/{2**scale}" if scale else "1"


class SavedActivations:
    """Count the bytes that autograd keeps, by the path of the module that runs."""

    def __init__(self, net: nn.Module) -> None:
        self._bytes: dict[str, int] = {}
        self._running: list[str] = [""]
        self._seen = {p.untyped_storage()._cdata for p in (*net.parameters(), *net.buffers())}
        self._alive: list[Tensor] = []
        self._handles: list[RemovableHandle] = []
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda kept: kept)
        self._net = net

    def within(self, path: str) -> int:
        """Return the bytes kept inside the module at `path`."""
        inside = f"{path}." if path else ""
        rows = self._bytes.items()
        return sum(size for at, size in rows if at == path or at.startswith(inside))

    def _keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen.add(storage._cdata)
            self._alive.append(tensor)
            path = self._running[-1]
            self._bytes[path] = self._bytes.get(path, 0) + storage.nbytes()
        return tensor

    def __enter__(self) -> Self:
        for path, module in self._net.named_modules():
            self._handles += [
                module.register_forward_pre_hook(partial(self._enter, path)),
                module.register_forward_hook(self._leave),
            ]
        self._hooks.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._hooks.__exit__(*reason)
        for handle in self._handles:
            handle.remove()
        self._alive.clear()

    def _enter(self, path: str, module: nn.Module, inputs: object) -> None:
        self._running.append(path)

    def _leave(self, module: nn.Module, inputs: object, output: object) -> None:
        self._running.pop()


HEADER = ("stage", "width", "blocks", "dilations", "SE", "parameters", "GMACs", "activations MiB")


def rows(summary: Summary) -> list[tuple[str, ...]]:
    """Return the summary as text cells: a header, a row per stage, the total."""
    body = [
        (
            stage.name,
            str(stage.width or ""),
            "+".join(map(str, stage.blocks)),
            ",".join(map(str, stage.dilations)),
            "yes" if stage.se == "squeeze_excite" else "",
            *_cells(stage.cost),
        )
        for stage in summary.stages
    ]
    return [HEADER, *body, ("total", "", "", "", "", *_cells(summary.total))]


def _cells(cost: Cost) -> tuple[str, str, str]:
    return (
        f"{cost.parameters:,}",
        f"{cost.macs / 1e9:.3f}",
        f"{cost.activation_bytes / 2**20:.1f}",
    )


def text(summary: Summary) -> list[str]:
    """Return the summary as aligned lines, with what it was counted for."""
    table = rows(summary)
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADER))]
    lines = [
        "  ".join(
            cell.ljust(size) if i in {0, 3, 4} else cell.rjust(size)
            for i, (cell, size) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    size = f"{summary.frames} frames of {summary.height}x{summary.width}"
    return [
        *lines,
        f"MACs and activations kept for the backward pass (float32): one sample, {size}",
    ]
