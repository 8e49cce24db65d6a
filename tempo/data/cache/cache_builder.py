"""Build the shards that a cache lacks, one after the other or in several processes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from math import prod
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from filelock import FileLock

from tempo.core.errors import MissingError, TempoError
from tempo.core.startup import end_with_maker, lacks_shared_memory
from tempo.data.cache.shards import FORMAT, write_shard
from tempo.data.cache.splits import ShardPlan, SplitPlan

Progress = Callable[[int, int, str], None]
"""Called with clips done, clips in all (a guess for videos) and what is being worked on."""

WORTH_PROCESSES = 256
"""Fewer clips than this are built in this process: starting others takes a second or two."""
POLL = 0.2
"""Seconds between two looks at what the processes have done."""


@dataclass(frozen=True, slots=True)
class SplitFolder:
    """Name the folder of a split's shards; its path holds the version of their format."""

    plan: SplitPlan
    folder: Path

    @property
    def missing(self) -> list[ShardPlan]:
        """The shards that are not built yet."""
        return [each for each in self.plan.shards if not (self.folder / each.name).exists()]


def folder_of(cache: Path, kind: str) -> Path:
    """Return the folder of the shards of one kind of data set."""
    return cache / f"{kind}-v{FORMAT}"


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ignore_progress(done: int, total: int, what: str) -> None:
    """Ignore the progress of a build."""


class _Report:
    """Count written clips and report them to a `Progress`, never beyond the guessed total."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total
        self._done = self._clips = self._expected = 0
        self._what = ""

    def start(self, what: str, expected: int) -> None:
        """Begin a shard of about `expected` clips."""
        self._done += self._expected
        self._what, self._clips, self._expected = what, 0, expected
        self._progress(self._done, self._total, what)

    def clip(self) -> None:
        """Count one written clip."""
        self._clips += 1
        done = self._done + min(self._clips, self._expected)
        self._progress(done, self._total, self._what)

    def ready(self) -> None:
        """Report that all clips are written."""
        self._progress(self._total, self._total, "ready")

    def at(self, done: int, what: str) -> None:
        """Report that `done` of all clips are written."""
        self._progress(min(done, self._total), self._total, what)


def build(
    places: Sequence[SplitFolder], progress: Progress = ignore_progress, jobs: int = 1
) -> None:
    """Build every shard of `places` that does not exist yet.

    Two processes may call this at once for one folder: one builds, the other waits. An
    interrupted build continues with the first shard that is not whole.

    Raises:
        MissingError: when the disk has no room for them.
    """
    for folder in dict.fromkeys(place.folder for place in places):
        here = [place for place in places if place.folder == folder]
        if any(place.missing for place in here):
            _build(here, folder, progress, jobs)


def _build(places: Sequence[SplitFolder], folder: Path, progress: Progress, jobs: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        remove_unfinished(folder)
        # Looked at again: another process may have built them while this one waited.
        missing = {shard.name: (place.plan.name, shard) for place in places
                   for shard in place.missing}  # fmt: skip
        shards = [shard for _, shard in missing.values()]
        _check_room(shards, folder)
        report = _Report(progress, sum(shard.clips for shard in shards))
        jobs = min(jobs, len(shards))
        worth = jobs > 1 and sum(shard.clips for shard in shards) >= WORTH_PROCESSES
        if worth and lacks_shared_memory() is None:
            _side_by_side(shards, folder, report, jobs)
        else:
            for split, shard in missing.values():
                report.start(f"{split}: {shard.name}", shard.clips)
                write_shard(folder / shard.name, shard.size, shard.fill, report.clip)
        report.ready()


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary shards of a killed build; the caller holds the folder's lock."""
    for stale in folder.glob(".*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)


def _check_room(shards: Sequence[ShardPlan], folder: Path) -> None:
    needed = sum(prod((*shard.size, 3, shard.pictures or 0)) for shard in shards)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise MissingError(
            f"the cache needs {needed / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB left; "
            "put the cache on another disk, or choose a smaller size or fewer clips"
        )


def _side_by_side(shards: Sequence[ShardPlan], folder: Path, report: _Report, jobs: int) -> None:
    # Fresh processes: this one may have threads (torch's), which a fork would break.
    context = multiprocessing.get_context("spawn")
    written: Synchronized[int] = context.Value("q", 0)
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(written,))
    before = set(multiprocessing.active_children())
    try:
        futures = [pool.submit(_one, folder, shard) for shard in shards]
        _follow(futures, written, report, jobs)
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
            child.join()
        remove_unfinished(folder)
        if isinstance(error, BrokenProcessPool):
            raise TempoError(
                f"one of the {jobs} processes that build the cache was ended from outside, perhaps "
                "for want of memory; finished shards are kept: run it again with fewer jobs"
            ) from error
        raise
    pool.shutdown()


def _follow(
    futures: Sequence[Future[None]], written: Synchronized[int], report: _Report, jobs: int
) -> None:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=POLL, return_when=FIRST_COMPLETED)
        for each in done:
            each.result()
        ready = len(futures) - len(waiting)
        report.at(written.value, f"{ready} of {len(futures)} shards, {jobs} processes")


_shared: dict[str, Synchronized[int]] = {}
"""In a building process: the count of clips that all of them add to."""


def _begin(written: Synchronized[int]) -> None:
    """Set up a building process: count into `written`, ignore Ctrl-C, end with its maker."""
    _shared["written"] = written
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_maker()


def _told() -> None:
    written = _shared["written"]
    with written.get_lock():
        written.value += 1


def _one(folder: Path, shard: ShardPlan) -> None:
    write_shard(folder / shard.name, shard.size, shard.fill, _told)
