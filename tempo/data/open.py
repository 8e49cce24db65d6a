"""Opening a data set: from its options to its splits, with a cache of decoded pictures between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from filelock import FileLock

from tempo.core.catalog import Catalog
from tempo.core.errors import MissingError
from tempo.data.shards import write_shard
from tempo.data.splits import SPLITS, Split, SplitName, SplitPlan, open_shards
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
    def missing(self) -> int:
        """Clips (about) that are not there yet."""
        shards = self.plan.shards
        return sum(each.clips for each in shards if not (self.folder / each.name).exists())


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


def split_digest(options: Options, split: SplitName, cache: Path) -> str:
    """The digest of a split, without building it."""
    return _place(options, split, cache).plan.digest


def _nothing(done: int, total: int, what: str) -> None:
    return


def _build(places: list[_Place], cache: Path, progress: Progress) -> None:
    if not any(place.missing for place in places):
        return
    cache.mkdir(parents=True, exist_ok=True)
    folder = places[0].folder
    folder.mkdir(exist_ok=True)
    with FileLock(folder / ".lock"):
        done, total = 0, sum(place.missing for place in places)
        for place in places:
            for shard in place.plan.shards:
                if (place.folder / shard.name).exists():
                    continue
                progress(done, total, f"{place.plan.name} {shard.name}")
                write_shard(place.folder / shard.name, shard.size, shard.fill)
                done += shard.clips
        progress(total, total, "ready")


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
