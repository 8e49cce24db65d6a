"""Choose and configure the device of a run and its number formats; report what it supports."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module

import psutil
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.utils import deterministic

from tempo.core.errors import MissingError
from tempo.spec.recipe import Runtime
from tempo.train.hardware.freed_memory import keep_freed_pages


def wants_cuda(runtime: Runtime) -> bool:
    """Return whether a run will use a CUDA device of this machine."""
    return runtime.device != "cpu" and torch.cuda.is_available()


def pick_device(runtime: Runtime, local_rank: int = 0) -> torch.device:
    """Return the device to run on; `auto` takes a CUDA device when there is one.

    Raises:
        MissingError: when `cuda` is asked for and there is none.
    """
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise MissingError(
            "runtime.device is cuda, and this machine has no CUDA device that torch can use "
            "(set runtime.device to auto or cpu)"
        )
    if not wants_cuda(runtime):
        return torch.device("cpu")
    return torch.device("cuda", local_rank % torch.cuda.device_count())


def unsupported(precision: str, device: torch.device) -> str | None:
    """Return why `device` cannot train in `precision`, as a sentence; None when it can."""
    if device.type == "cpu":
        if precision == "tf32":
            return "precision tf32 needs an NVIDIA GPU of the Ampere generation or newer (use fp32)"
        return None
    major = torch.cuda.get_device_capability(device)[0]
    name = torch.cuda.get_device_name(device)
    if precision == "tf32" and major < 8:
        return f"{name} has no tf32 (use fp32)"
    if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return f"{name} has no bf16 (use fp16 or fp32)"
    return None


def configure(device: torch.device, threads: int, precision: str) -> None:
    """Set the process-wide switches of torch; on a CPU equal threads give equal bits."""
    torch.set_num_threads(threads)
    tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = device.type == "cuda"
    torch.use_deterministic_algorithms(device.type == "cpu", warn_only=True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        keep_freed_pages()


def available_cores() -> int:
    """Count the cores this process may use, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def peak_memory() -> int:
    """Return the peak memory in bytes: of the CUDA device, or of the process without one."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.max_memory_allocated()
    try:
        resource = import_module("resource")
    except ImportError:
        # Windows keeps the peak itself.
        now = psutil.Process().memory_info()
        return int(getattr(now, "peak_wset", now.rss))
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that a device or this machine is out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Precision:
    """The number format of training on a device: fp32, tf32, bf16, fp16 or fp64.

    Weights, gradients and the loss are float32 (float64 in fp64); bf16 and fp16 apply inside the
    network, under autocast. fp16 scales the loss so that small gradients survive.
    """

    name: str
    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of weights, pictures and the loss."""
        return torch.float64 if self.name == "fp64" else torch.float32

    def autocast(self) -> torch.autocast:
        dtype = AUTOCAST.get(self.name)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def scaler(self) -> GradScaler:
        return GradScaler(self.device.type, enabled=self.name == "fp16")

    def pictures(self, frames: Tensor) -> Tensor:
        """Convert uint8 pictures on any device to floats 0..1 on this one."""
        moved = frames.to(self.device, non_blocking=True)
        return moved.to(self.dtype).div_(255)


def precision(name: str, device: torch.device) -> Precision:
    """Return the precision called `name` on `device`.

    Raises:
        MissingError: when the device does not support it; no other one is chosen silently.
    """
    reason = unsupported(name, device)
    if reason:
        raise MissingError(reason)
    return Precision(name=name, device=device)
