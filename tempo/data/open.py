"""Opening a data set: from its options to its splits, with a cache of decoded pictures between."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from filelock import FileLock

from tempo.core.catalog import Catalog
from tempo.core.errors import MissingError
from tempo.data.shards import write_shard
from tempo.data.splits import SPLITS, ShardPlan, Split, SplitName, SplitPlan, open_shards
from tempo.spec.options import Options

Progress = Callable[[int, int, str], None]
"""Called with clips done, clips in all (a guess for videos) and what is being worked on."""


class Source(Protocol):
    """What a data set's module offers."""

    def check_available(self, options: Options) -> None: ...

    def plan_split(self, options: Options, split: SplitName, cache: Path) -> SplitPlan: ...


MODULES: Catalog[str] = Catalog(
    "data set",
    {
        "procedural": "tempo.data.procedural",
        "video": "tempo.data.video",
        "vimeo90k": "tempo.data.vimeo90k",
    },
)
"""Kind of data set to the module that reads it, imported on first use."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the shards of one split lie."""

    plan: SplitPlan
    folder: Path

    @property
    def missing(self) -> list[ShardPlan]:
        """The shards that are not there yet."""
        return [each for each in self.plan.shards if not (self.folder / each.name).exists()]


def _source(options: Options) -> Source:
    return cast(Source, import_module(MODULES.get(options.kind)))


def _place(options: Options, split: SplitName, cache: Path) -> _Place:
    return _Place(_source(options).plan_split(options, split, cache), cache / options.kind)


def check_available(options: Options) -> None:
    """Look for the data set, reading nothing large.

    Raises:
        MissingError: saying what is missing, where it was looked for and how to get it.
    """
    _source(options).check_available(options)


def _nothing(done: int, total: int, what: str) -> None:
    return


class _Report:
    """Turns single clips into calls of a `Progress`. The guessed total is never overshot."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total
        self._done = self._clips = self._expected = 0
        self._what = ""

    def start(self, what: str, expected: int) -> None:
        """A shard of about `expected` clips begins."""
        self._done += self._expected
        self._what, self._clips, self._expected = what, 0, expected
        self._progress(self._done, self._total, what)

    def clip(self) -> None:
        """One clip more is written."""
        self._clips += 1
        done = self._done + min(self._clips, self._expected)
        self._progress(done, self._total, self._what)


def _build(places: list[_Place], cache: Path, progress: Progress) -> None:
    if not any(place.missing for place in places):
        return
    folder = places[0].folder
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        for stale in folder.glob(".*.tmp"):
            shutil.rmtree(stale)
        # Looked at again: another process may have built them while this one waited.
        missing = [(place.plan.name, shard) for place in places for shard in place.missing]
        report = _Report(progress, sum(shard.clips for _, shard in missing))
        for split, shard in missing:
            report.start(f"{split}: {shard.name}", shard.clips)
            write_shard(folder / shard.name, shard.size, shard.fill, report.clip)
        report.start("ready", 0)


def prepare(options: Options, cache: Path, progress: Progress = _nothing) -> None:
    """Build every split's pictures under `cache`; nothing happens for those already there.

    Two processes may call this at once: one builds, the other waits. An interrupted build goes on
    with the first shard that is not whole.

    Raises:
        MissingError: when the data set is not on this machine.
    """
    check_available(options)
    _build([_place(options, split, cache) for split in SPLITS], cache, progress)


def open_split(options: Options, split: SplitName, cache: Path) -> Split:
    """The clips of one split, built first when the cache does not hold them.

    Raises:
        MissingError: when the data set is not on this machine, or the split has no clips.
    """
    check_available(options)
    place = _place(options, split, cache)
    _build([place], cache, _nothing)
    opened = open_shards(place.plan, place.folder)
    if not len(opened):
        told = [f"{count} {what}" for what, count in opened.counts.items()] + list(opened.notes)
        raise MissingError(
            f"the {split} split of data set {options.kind!r} has no clips ({'; '.join(told)})"
        )
    return opened
