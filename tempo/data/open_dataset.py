"""Open the splits of a data set from its options, building its cache of decoded pictures."""

from __future__ import annotations

import shutil
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Protocol, cast

from filelock import FileLock

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.cache.cache_builder import Progress, SplitFolder, build, folder_of, ignore_progress
from tempo.data.cache.shards import Shard
from tempo.data.cache.splits import (
    SPLITS,
    MixedSplit,
    Part,
    Split,
    SplitName,
    SplitPlan,
    WindowedSplit,
)
from tempo.ledger.folder_use import using
from tempo.spec import data as options_of
from tempo.spec.data import Mixture
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options

NAMED = 5
"""Unreadable clips that an error names."""


class DatasetModule(Protocol):
    """The functions that the module of a data set defines."""

    def check_available(self, options: Options) -> None: ...

    def plan_split(self, options: Options, split: SplitName, cache: Path) -> SplitPlan: ...


DATASET_MODULES: Implementations[str] = Implementations(
    options_of.DATASETS,
    {
        options_of.Procedural: "tempo.data.datasets.procedural",
        options_of.Video: "tempo.data.datasets.video",
        options_of.Frames: "tempo.data.datasets.frames",
        options_of.Vimeo90k: "tempo.data.datasets.vimeo90k",
        options_of.Vimeo90kSeptuplet: "tempo.data.datasets.vimeo90k",
        options_of.X4k1000fps: "tempo.data.datasets.x4k1000fps",
    },
)
"""The module that reads each kind of data set, imported on first use. A mixture has none."""


def _source(options: Options) -> DatasetModule:
    return cast(DatasetModule, import_module(DATASET_MODULES.of(options)))


def _single(options: Options) -> list[Options]:
    """Return the data sets of a mixture, or the one that `options` is."""
    return [part.data for part in options.parts] if isinstance(options, Mixture) else [options]


def _place(options: Options, split: SplitName, cache: Path) -> SplitFolder:
    plan = _source(options).plan_split(options, split, cache)
    return SplitFolder(plan, folder_of(cache, options.kind))


def check_available(options: Options) -> None:
    """Check that the data set is on this machine, reading nothing large.

    Raises:
        MissingError: saying what is missing, where it was looked for and how to get it.
    """
    for each in _single(options):
        _source(each).check_available(each)


def published_lists(options: Options) -> dict[str, tuple[Path, int, int]]:
    """Return the published lists of a data set: file, clips it names here, clips as published.

    Empty for data sets without lists.
    """
    found: dict[str, tuple[Path, int, int]] = {}
    for each in _single(options):
        lists = getattr(_source(each), "lists", None)
        found |= lists(each) if lists else {}
    return found


def prepare(
    options: Options, cache: Path, progress: Progress = ignore_progress, jobs: int = 1
) -> dict[SplitName, Split]:
    """Build the missing shards of every split under `cache` and open the splits.

    Two processes may call this at once: one builds, the other waits. An interrupted build
    continues with the first shard that is not whole.

    `jobs` processes build side by side, where there is enough to do.

    Raises:
        MissingError: when the data set is not on this machine, or too many of its clips cannot be
            read: after all were tried, naming them.
    """
    check_available(options)
    with using(cache):
        build([_place(each, split, cache) for each in _single(options) for split in SPLITS],
              progress, jobs)  # fmt: skip
        return {split: open_split(options, split, cache) for split in SPLITS}


def shard_folders(options: Options, cache: Path) -> list[Path]:
    """Return the folders of the shards of every split under `cache`, each once."""
    places = [_place(each, split, cache) for each in _single(options) for split in SPLITS]
    folders = [place.folder / shard.name for place in places for shard in place.plan.shards]
    return list(dict.fromkeys(folders))


def open_split(options: Options, split: SplitName, cache: Path) -> Split:
    """Open one split, building its shards first where the cache lacks them.

    Raises:
        MissingError: when the data set is not on this machine, the split has no clips, or more of
            them cannot be read than the data set tolerates.
    """
    check_available(options)
    opened = [_opened(each, split, cache) for each in _single(options)]
    if not isinstance(options, Mixture):
        return opened[0]
    parts = [Part(part.label, part.weight, one)
             for part, one in zip(options.parts, opened, strict=True)]  # fmt: skip
    return MixedSplit(split, parts)


def _opened(options: Options, split: SplitName, cache: Path) -> Split:
    place = _place(options, split, cache)
    build([place])
    opened = open_shards(place.plan, place.folder)
    _check_readable(opened, options.kind, place.plan.tolerated)
    if not len(opened):
        told = [f"{count} {what}" for what, count in opened.counts.items()] + list(opened.notes)
        raise MissingError(
            f"the {split} split of data set {options.kind!r} has no clips ({'; '.join(told)})"
        )
    return opened


def open_shards(plan: SplitPlan, folder: Path) -> Split:
    """Open the split that `plan` describes, from the shards in `folder`.

    Clips that could not be read change its digest: a split with holes is another split.
    """
    shards = [Shard(folder / shard.name) for shard in plan.shards]
    skipped = [clip for shard in shards for clip in shard.skipped]
    digest = short_hash([plan.digest, skipped], len(plan.digest)) if skipped else plan.digest
    if plan.window is None:
        return Split(plan.name, digest, shards)
    return WindowedSplit(plan.name, digest, shards, plan.window)


def _check_readable(split: Split, kind: str, tolerated: float) -> None:
    """Raise MissingError when more clips are unreadable than the data set tolerates."""
    bad, clips = len(split.skipped), len(split) + len(split.skipped)
    if not bad or (tolerated and bad <= max(1, tolerated * clips)):
        return
    named = "\n  ".join(islice(split.notes, NAMED))
    more = f"\n  and {bad - NAMED} more" if bad > NAMED else ""
    allowed = f"at most {tolerated:.0%} may be" if tolerated else "none may be here"
    raise MissingError(
        f"{bad} of {clips} clips of the {split.name} split of data set {kind!r} are unreadable, "
        f"{allowed}:\n  {named}{more}\n"
        "replace the files, then `tempo data prepare` reads them again"
    )


def forget_unreadable(options: Options, cache: Path) -> int:
    """Remove the shards that leave out unreadable clips, so that the next build tries again.

    Returns how many were removed. A running study keeps the pictures that it has open.
    """
    removed = 0
    for each in _single(options):
        places = [_place(each, split, cache) for split in SPLITS]
        folder = places[0].folder
        if not folder.is_dir():
            continue
        with FileLock(folder / ".lock"):
            built = [folder / shard.name for place in places for shard in place.plan.shards]
            for shard in built:
                if shard.exists() and Shard(shard).skipped:
                    shutil.rmtree(shard)
                    removed += 1
    return removed
