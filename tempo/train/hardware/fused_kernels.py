"""Choose the fused kernels of a run: those that agree with the plain form on its own shapes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from tempo.core.errors import MissingError
from tempo.kernels.agreement import TOLERANCE, largest_difference
from tempo.kernels.selection import NAMES, Call, has_triton, interpreted, recording, use, using
from tempo.losses import build_objective
from tempo.models.family import build_model
from tempo.spec.data import views_of
from tempo.spec.losses import frozen_files
from tempo.spec.study import RunConfig
from tempo.train.hardware.device import AUTOCAST, out_of_memory, pick_device, precision
from tempo.train.hardware.process_group import Group

CLIPS = 4
"""Clips whose pictures a comparison uses at most; their sizes are those of the run."""

NO_TRITON = (
    "the package triton, which compiles them, is not installed (it comes with the CUDA builds of "
    "torch for Linux)"
)


@dataclass(frozen=True, slots=True)
class Kernels:
    """The fused kernels of a run, those that were left out with the reason, and what the
    comparison found: the largest difference of each as a share of the largest value."""

    used: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    differences: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What the record says: plain, fused, or which are fused where some were left out."""
        if not self.used:
            return "plain"
        return f"fused: {', '.join(self.used)}" if self.left_out else "fused"

    def recorded(self) -> dict[str, Any]:
        """Return what an attempt's environment says of them."""
        if not self.differences and not self.left_out:
            return {"kernels": self.name}
        compared = {"differences": dict(self.differences), "seconds": round(self.seconds, 1)}
        return {"kernels": self.name, "kernels_compared": compared}


def refusal(config: RunConfig) -> str | None:
    """Return why this machine cannot do what `runtime.kernels` asks for; None when it can."""
    if config.runtime.kernels != "fused" or config.method != "network":
        return None
    if config.recipe.precision == "fp64":
        return (
            "runtime.kernels is fused, and fused kernels are for fp32, tf32, bf16 and fp16, not "
            "for recipe.precision fp64 (set runtime.kernels to auto or plain)"
        )
    if pick_device(config.runtime).type == "cpu" and not interpreted():
        return (
            "runtime.kernels is fused, and fused kernels run on NVIDIA GPUs alone; this run would "
            "be on the CPU (set runtime.kernels to auto or plain)"
        )
    if not has_triton():
        return f"runtime.kernels is fused, and {NO_TRITON}; set runtime.kernels to auto or plain"
    return None


def choose_kernels(config: RunConfig, device: torch.device, group: Group) -> Kernels:
    """Compare the fused kernels with the plain forms, and use those that agree in this process.

    On a CPU there are none. A kernel that differs on any process, or does not build, is left out.

    Raises:
        MissingError: when `runtime.kernels` is `fused` and one cannot be used.
    """
    use(())
    if reason := refusal(config):
        raise MissingError(reason)
    if config.method != "network" or config.runtime.kernels == "plain":
        return Kernels()
    if config.recipe.precision == "fp64" or not (device.type == "cuda" or interpreted()):
        return Kernels()
    begun = time.perf_counter()
    if has_triton():
        left_out, differences = compare(calls_of(config, device), _kinds(config), device)
    else:
        left_out, differences = dict.fromkeys(NAMES, f"left out: {NO_TRITON}"), {}
    for (others,) in group.gather([left_out]):
        left_out |= others
    if left_out and config.runtime.kernels == "fused":
        name, why = next(iter(left_out.items()))
        raise MissingError(
            f"runtime.kernels is fused, and the kernel {name} cannot be used: {why} (set "
            "runtime.kernels to auto to go on without it)"
        )
    used = tuple(name for name in NAMES if name in differences and name not in left_out)
    use(used)
    return Kernels(used, left_out, differences, time.perf_counter() - begun)


def compare(
    calls: Iterable[Call], kinds: Iterable[torch.dtype], device: torch.device
) -> tuple[dict[str, str], dict[str, float]]:
    """Return why kernels must be left out, and the largest difference of each, by name."""
    left_out: dict[str, str] = {}
    differences: dict[str, float] = {}
    every = list(kinds)
    for call in calls:
        for kind in every:
            if call.kernel in left_out:
                continue
            where = f"on {list(call.shape)} in {str(kind).removeprefix('torch.')}"
            try:
                found = _difference(call, kind, device)
            except Exception as error:  # Compilers fail in many ways; the plain form is left.
                said = next(iter(str(error).splitlines()), "")
                left_out[call.kernel] = f"failed {where}: {type(error).__name__}: {said}"
                continue
            differences[call.kernel] = max(found, differences.get(call.kernel, 0.0))
            if found > TOLERANCE[kind]:
                left_out[call.kernel] = (
                    f"differs from the plain form by {found:.2g} of the largest value {where}; "
                    f"{TOLERANCE[kind]:.2g} is allowed"
                )
    return left_out, differences


def _difference(call: Call, kind: torch.dtype, device: torch.device) -> float:
    """Compare a call; of one picture where several do not fit into memory."""
    try:
        return largest_difference(call, kind, device)
    except Exception as error:
        if not out_of_memory(error):
            raise
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return largest_difference(call._replace(shape=(1, *call.shape[1:])), kind, device)


def calls_of(config: RunConfig, device: torch.device) -> list[Call]:
    """Return the calls that a training of `config` makes of fused kernels, of up to `CLIPS` clips.

    Found by the forward pass of one clip of noise with the plain forms. Random streams stay.
    """
    recipe, clips = config.recipe, min(CLIPS, config.recipe.batch)
    kind = precision(recipe.precision, device)
    net = build_model(config.arch, 0).to(device, kind.dtype)
    generator = torch.Generator(device).manual_seed(0)
    views = views_of(config.data)
    found: dict[Call, None] = {}
    for crop in sorted({stage.crop for stage in recipe.stage_recipes}):
        frames = torch.rand((1, views, 3, crop, crop), generator=generator, device=device)
        times = torch.linspace(0, 1, views, device=device)[None]
        with torch.no_grad(), using(()), recording() as calls:
            with kind.autocast():
                out = net(frames, times, torch.full((1,), 0.5, device=device))
            _record_losses(config, out.to(kind.dtype), device)
        found |= calls
    return [call._replace(shape=(call.shape[0] * clips, *call.shape[1:])) for call in found]


def _record_losses(config: RunConfig, out: torch.Tensor, device: torch.device) -> None:
    """Compute the losses that look through no other network, for their calls."""
    for recipe in config.recipe.stage_recipes:
        if not frozen_files(recipe.loss) and "distillation" not in recipe.loss.model_dump_json():
            objective: nn.Module = build_objective(recipe.loss).to(device, out.dtype)
            objective(out, torch.zeros_like(out), 0.0)


def _kinds(config: RunConfig) -> list[torch.dtype]:
    """Return the types that are compared: float32, bfloat16 where the device has it, the run's."""
    kinds = [torch.float32]
    own = AUTOCAST.get(config.recipe.precision)
    if own is not torch.float16:
        kinds.append(torch.bfloat16)
    return kinds if own in {None, *kinds} else [*kinds, torch.float16]
