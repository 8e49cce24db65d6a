"""Read the load and memory of this machine's GPUs by nvidia-smi; decide how many runs share one."""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from tempo.records.prices import Price

TOOL = "nvidia-smi"
_FORMAT = "--format=csv,noheader,nounits"
_GPUS = ("--query-gpu=index,utilization.gpu,memory.used,memory.total", _FORMAT)
_PROCESSES = ("--query-compute-apps=pid,used_memory", _FORMAT)
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """`busy` in percent of time, memory in bytes; None where the driver does not tell."""

    index: str
    busy: float | None
    used: float | None
    total: float | None

    def __str__(self) -> str:
        busy = "-" if self.busy is None else f"{self.busy:.0f} %"
        if self.used is None or self.total is None:
            return f"GPU {self.index} {busy}"
        return f"GPU {self.index} {busy}, {self.used / 2**30:.1f} of {self.total / 2**30:.0f} GiB"


class GpuWatch:
    """Polls nvidia-smi in a child process, so that a slow driver does not block the caller."""

    def __init__(self) -> None:
        self._tool = shutil.which(TOOL)
        self._process: subprocess.Popen[str] | None = None
        self.gpus: tuple[Gpu, ...] = ()

    def poll(self) -> tuple[Gpu, ...]:
        """Return the newest answer, and start the next query once the last one has ended."""
        if self._tool is None:
            return ()
        if self._process is None:
            self._process = subprocess.Popen(
                [self._tool, *_GPUS],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        elif self._process.poll() is not None:
            text, _ = self._process.communicate()
            self.gpus = parse_gpus(text) if self._process.returncode == 0 else ()
            self._process = None
        return self.gpus

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


NVIDIA_DRIVER = "libcuda.so.1"
AMD_DRIVER = Path("/dev/kfd")


def lacks_gpu_driver() -> bool:
    """Whether torch can find no GPU for certain: on Linux without NVIDIA's or AMD's driver.

    Answers at once, where torch takes seconds to be imported.
    """
    if sys.platform != "linux" or AMD_DRIVER.exists():
        return False
    try:
        ctypes.CDLL(NVIDIA_DRIVER)
    except OSError:
        return True
    return False


def smallest_gpu() -> float | None:
    """Return the memory in bytes of this machine's smallest GPU; None without nvidia-smi."""
    return min((gpu.total for gpu in parse_gpus(_query(_GPUS)) if gpu.total), default=None)


def _query(options: Sequence[str]) -> str:
    tool = shutil.which(TOOL)
    if tool is None:
        return ""
    return subprocess.run([tool, *options], capture_output=True, text=True, check=False).stdout


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Parse the rows that nvidia-smi prints, whose memory is in MiB."""
    gpus = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(("index", "busy", "used", "total")):
            busy, used, total = (_number(cell) for cell in cells[1:])
            gpus.append(Gpu(index=cells[0], busy=busy, used=_bytes(used), total=_bytes(total)))
    return tuple(gpus)


def memory_of(pids: Sequence[int]) -> dict[int, float]:
    """Memory of running processes of this host in bytes: on a GPU where they use one, else
    resident. Processes that ended are left out."""
    found: dict[int, float] = {}
    text = _query(_PROCESSES) if pids else ""
    rows = [line.split(",") for line in text.splitlines() if line.count(",") == 1]
    on_gpu = {pid.strip(): _bytes(_number(used)) for pid, used in rows}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found[pid] = on_gpu.get(str(pid)) or float(psutil.Process(pid).memory_info().rss)
    return found


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _bytes(mib: float | None) -> float | None:
    return None if mib is None else mib * MIB


Slot = Mapping[str, str]

CONTEXT_BYTES = 600 * 2**20
"""What CUDA itself takes for each process, which no process counts as its own."""

SPARE = 0.1
"""Share of a GPU's memory that stays free."""

MOST = 8
"""Runs on one GPU at most: beyond that they only wait for each other."""


def share_gpus(slots: Sequence[Slot], runs: int) -> list[Slot]:
    """Return `runs` slots for each GPU, ordered so that every GPU gets a run before a second."""
    gpus = all("CUDA_VISIBLE_DEVICES" in slot for slot in slots)
    return [slot for _ in range(runs if gpus else 1) for slot in slots]


def runs_that_fit(
    asked: int | Literal["auto"], prices: Iterable[Price | None], memory: float | None
) -> int:
    """Return how many runs share a GPU of `memory` bytes: with `auto` as many as the largest peak
    memory allows, and one while the memory of a run or of the GPU is not known."""
    if asked != "auto":
        return asked
    known = list(prices)
    peaks = [price.peak_memory for price in known if price is not None and price.peak_memory]
    if memory is None or not peaks or len(peaks) < len(known):
        return 1
    room = memory * (1 - SPARE) / (max(peaks) + CONTEXT_BYTES)
    return max(1, min(MOST, int(room)))
