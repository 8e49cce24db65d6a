"""Compile networks, keep compiled code for the runs of a machine, count what came from there."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from tempo.core.code_stamp import code_stamp
from tempo.models.blocks import Chain
from tempo.train.hardware.device import device_name

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
"""Where the compiler looks; a value of the user's stays."""


def keep_compiled(cache: Path, device: torch.device) -> Path:
    """Let this process keep compiled code in the folder of its machine, device and code; return it.

    The runs of all studies with this cache share it, so that the second one finds what the first
    one built. The compiler tells networks, shapes and options apart by itself.
    """
    facts = (
        torch.__version__,
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        device_name(device),
        code_stamp(),
    )
    key = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
    os.environ.setdefault(VARIABLE, str((cache / "compiled" / key).absolute()))
    return Path(os.environ[VARIABLE])


MOST_KINDS = 64
"""Kinds of blocks, which differ in width, size or dilation, that regions may be compiled for."""


def compile_network(model: nn.Module, mode: str) -> nn.Module:
    """Return `model` compiled as `runtime.compile` says; itself where that is `off`."""
    if mode == "off":
        return model
    if mode == "regions":
        mark_regions(model)
    known = None if mode in {"default", "regions"} else mode
    return cast(nn.Module, torch.compile(model, mode=known))


def mark_regions(model: nn.Module) -> None:
    """Let the compiler take each block of every chain as a region, compiled once for equal blocks.

    A chain that recomputes its activations stays as it is. In eager mode a region is a call.
    """
    mark: Callable[..., Any] = torch.compiler.nested_compile_region
    # Older versions of torch have no limit, and none to set.
    limits = {"max_reuse_entries"} & signature(mark).parameters.keys()
    region = mark(_apply, **dict.fromkeys(limits, MOST_KINDS))
    for each in model.modules():
        if isinstance(each, Chain):
            each.region = region


def _apply(block: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = block(x)
    return out


@dataclass(frozen=True, slots=True)
class Graphs:
    """Count compiled graphs: built by the compiler, and found in its cache."""

    built: int
    found: int

    @property
    def cold(self) -> bool:
        """Whether anything had to be built."""
        return self.built > 0 or self.found == 0

    def since(self, before: Graphs) -> Graphs:
        return Graphs(self.built - before.built, self.found - before.found)

    def __str__(self) -> str:
        if self.cold:
            return "cold: not all of it was in the cache"
        return "warm: all of it was in the cache"


def compiled_graphs() -> Graphs:
    """Return how many graphs this process has compiled so far, whole ones with both passes."""
    # Imported late: it takes a second, and most runs compile nothing.
    from torch._dynamo.utils import counters

    inductor, whole = counters["inductor"], counters["aot_autograd"]
    built = inductor["fxgraph_cache_miss"] + inductor["fxgraph_cache_bypass"]
    return Graphs(
        built=built + whole["autograd_cache_bypass"],
        found=inductor["fxgraph_cache_hit"] + whole["autograd_cache_hit"],
    )
