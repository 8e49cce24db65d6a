"""Check devices, drivers, threads, memory, clock and disks of this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tempo.core.counted import counted
from tempo.launch.accounting.gpu_usage import TOOL, lacks_gpu_driver
from tempo.launch.worker_command import WORKER
from tempo.workflow.inspection.finding import Finding, State

PATIENCE = 120.0
"""Seconds that torch may take to be imported on a cold disk, and nvidia-smi to answer."""
GIB = 2**30
FULL, TIGHT = 0.2 * GIB, 5 * GIB
"""Bytes free below which a study fails, and may fail."""
SHARED = GIB
"""Bytes of shared memory that loader processes may need."""
FILES = 1024
"""Open files that a study with loader processes may need."""
DRIFT = 2.0
"""Seconds by which a file system's clock may differ; leases live for some tens of seconds."""
EARLIEST = 1.7e9
"""Unix seconds before which no clock can be right: this code was not written yet."""
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smbfs", "fuse.sshfs", "lustre", "gpfs", "beegfs"})
"""Kinds of file system that several machines share."""
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


# --- devices ---------------------------------------------------------------------------------


def device_findings() -> Iterator[Finding]:
    """Yield what a worker process finds: torch, CPU, GPUs; and the driver."""
    driver = _driver_version()
    told, problem = _ask_worker()
    if problem:
        yield Finding(
            topic="torch",
            state="failure",
            found=f"a worker cannot load torch: {problem}",
            advice="install torch as pytorch.org says for this machine",
        )
        return
    yield Finding(topic="torch", state="ok", found=str(told["torch"]), values=told)
    yield _device("CPU", "cpu", told["cpu"])
    for number, gpu in enumerate(told["gpus"]):
        memory = gpu["memory"] / GIB
        name = f"{gpu['name']}, {memory:.0f} GiB, compute {gpu['capability']}"
        yield _device(f"GPU {number}", name, gpu["problem"])
    yield _driver_finding(driver, told)


def _device(topic: str, name: str, problem: str) -> Finding:
    if problem:
        return Finding(topic=topic, state="failure", found=f"{name} does not compute: {problem}")
    return Finding(topic=topic, state="ok", found=f"{name} computes")


def _driver_finding(driver: str | None, told: dict[str, Any]) -> Finding:
    if told["gpus"]:
        return Finding(topic="driver", state="ok", found=driver or "there, without nvidia-smi")
    if lacks_gpu_driver():
        return Finding(
            topic="driver",
            state="note",
            found="no GPU driver: studies run on the CPU, and `runtime.device: cuda` is refused",
        )
    wheel = "is built without CUDA" if told["cuda"] is None else f"is built for CUDA {told['cuda']}"
    return Finding(
        topic="driver",
        state="warning",
        found=f"there is a GPU driver ({driver or 'unknown version'}), and torch finds no GPU: "
        f"torch {wheel}",
        advice="install a torch that fits the driver, or look at CUDA_VISIBLE_DEVICES",
    )


def _driver_version() -> str | None:
    tool = shutil.which(TOOL)
    if tool is None:
        return None
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [tool, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout.split("\n")[0].strip() or None
    return None


def _ask_worker() -> tuple[dict[str, Any], str]:
    """What a worker says of the machine, or why there is no answer."""
    try:
        done = subprocess.run(
            [*WORKER, "machine"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return dict(json.loads(done.stdout)), ""
    except subprocess.TimeoutExpired:
        return {}, f"no answer within {PATIENCE:.0f} s"
    except (OSError, ValueError):
        said = done.stderr.strip().splitlines() if "done" in locals() else []
        return {}, said[-1] if said else "the process ended without a word"


# --- threads and memory ----------------------------------------------------------------------


def processor_findings() -> Iterator[Finding]:
    """Yield cores and thread settings, memory, shared memory and open files."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _cpu_quota()
    allowed = cores or 1
    told = counted(allowed, "core")
    state: State = "ok"
    if quota is not None and quota < allowed:
        told += f", of which a limit allows {quota:g}"
        state = "warning"
    settings = {name: os.environ[name] for name in POOLS if name in os.environ}
    said = ", ".join(f"{name}={value}" for name, value in settings.items())
    yield Finding(
        topic="threads",
        state=state,
        found=f"{told}; {said or 'no thread pool is set'}; workers set theirs by runtime.threads",
        advice="choose --slots by the limit, not by the cores" if state == "warning" else "",
        values={"cores": allowed, "quota": quota, **settings},
    )
    memory = psutil.virtual_memory()
    yield Finding(
        topic="memory",
        state="ok" if memory.available > 2 * GIB else "warning",
        found=f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free",
        advice="" if memory.available > 2 * GIB else "a worker takes from half a GiB on",
        values={"available": memory.available, "total": memory.total},
    )
    yield from _shared_memory()
    yield from _open_files()


def _cpu_quota() -> float | None:
    """Cores that the control group of this process allows; None without a limit."""
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    return None


def _shared_memory() -> Iterator[Finding]:
    shm = Path("/dev/shm")
    if shm.is_dir():
        free = shutil.disk_usage(shm).free
        yield Finding(
            topic="shared memory",
            state="ok" if free >= SHARED else "warning",
            found=f"{free / GIB:.1f} GiB free",
            advice=""
            if free >= SHARED
            else "with `runtime.workers` above 0 a run may be killed; "
            "in a container, give it --shm-size",
            values={"free": free},
        )


def _open_files() -> Iterator[Finding]:
    try:
        from resource import RLIMIT_NOFILE, getrlimit
    except ImportError:  # Windows has no such limit.
        return
    soft, _ = getrlimit(RLIMIT_NOFILE)
    enough = soft < 0 or soft >= FILES
    yield Finding(
        topic="open files",
        state="ok" if enough else "warning",
        found=f"{'no limit' if soft < 0 else soft} per process",
        advice="" if enough else f"ulimit -n {FILES}",
        values={"limit": soft},
    )


# --- disks and clock -------------------------------------------------------------------------


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there: nothing is created by looking."""
    folder = folder.absolute()
    return next((each for each in (folder, *folder.parents) if each.is_dir()), Path("/"))


def kind_of_disk(folder: Path) -> str:
    """The kind of file system that a folder is on, as the system calls it; empty if unknown."""
    at = os.path.realpath(folder)
    best = ("", "")
    for each in psutil.disk_partitions(all=True):
        point = each.mountpoint
        inside = at == point or at.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, each.fstype)
    return best[1]


def disk_finding(topic: str, folder: Path) -> Finding:
    """Whether a folder can be written, and how much room it has."""
    at = existing(folder)
    usage = shutil.disk_usage(at)
    kind = kind_of_disk(at)
    told = f"{folder}: {usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free"
    told += f" ({kind})" if kind else ""
    values = {"folder": str(folder), "free": usage.free, "total": usage.total, "kind": kind}
    try:
        with tempfile.TemporaryDirectory(prefix=".tempo-doctor-", dir=at) as made:
            (Path(made) / "a").write_bytes(b"x")
            (Path(made) / "a").replace(Path(made) / "b")
    except OSError as error:
        return Finding(
            topic=topic,
            state="failure",
            found=f"{at} cannot be written: {error.strerror}",
            advice="choose another folder, or change its permissions",
            values=values,
        )
    if usage.free < FULL:
        return Finding(topic=topic, state="failure", found=told, advice="free some", values=values)
    if usage.free < TIGHT:
        advice = "checkpoints and caches may fill it; `tempo clean` shows what can go"
        return Finding(topic=topic, state="warning", found=told, advice=advice, values=values)
    return Finding(topic=topic, state="ok", found=told, values=values)


def clock_finding(records: Path) -> Finding:
    """Whether this machine's clock is plausible and agrees with that of the records' disk."""
    now = time.time()
    try:
        with tempfile.NamedTemporaryFile(prefix=".tempo-doctor-", dir=existing(records)) as file:
            drift = Path(file.name).stat().st_mtime - time.time()
    except OSError:
        drift = 0.0
    values = {"now": now, "drift": drift}
    if now < EARLIEST:
        return Finding(
            topic="clock",
            state="failure",
            found=f"it is {time.strftime('%Y-%m-%d', time.gmtime(now))} here: the clock is wrong",
            advice="set it; events of runs are ordered by time",
            values=values,
        )
    if abs(drift) > DRIFT:
        return Finding(
            topic="clock",
            state="warning",
            found=f"files are stamped {drift:+.1f} s from this machine's clock",
            advice="synchronise the clocks (NTP): leases are told by time",
            values=values,
        )
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return Finding(topic="clock", state="ok", found=stamp, values=values)
