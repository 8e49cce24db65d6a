"""Open the splits of a data set from its options, building its cache of decoded pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Protocol, cast

from filelock import FileLock

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.cache.cache_builder import Progress, SplitFolder, build, folder_of, ignore_progress
from tempo.data.cache.mixed_split import MixedSplit, Part
from tempo.data.cache.shards import Shard
from tempo.data.cache.splits import (
    SPLITS,
    GradedSplit,
    Split,
    SplitName,
    SplitPlan,
    WindowedSplit,
)
from tempo.ledger.folder_use import using
from tempo.spec import data as options_of
from tempo.spec import published_data as published
from tempo.spec.data import Mixture, data_of
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options

NAMED = 5
"""Unreadable clips that an error names."""


class DatasetModule(Protocol):
    """The functions that the module of a data set defines."""

    def check_available(self, options: Options, splits: Sequence[SplitName]) -> None: ...

    def plan_split(self, options: Options, split: SplitName, cache: Path) -> SplitPlan: ...


DATASET_MODULES: Implementations[str] = Implementations(
    options_of.DATASETS,
    {
        options_of.Procedural: "tempo.data.datasets.procedural",
        options_of.Video: "tempo.data.datasets.video",
        options_of.Frames: "tempo.data.datasets.frames",
        published.Vimeo90k: "tempo.data.datasets.vimeo90k",
        published.Vimeo90kSeptuplet: "tempo.data.datasets.vimeo90k",
        published.X4k1000fps: "tempo.data.datasets.x4k1000fps",
    },
)
"""The module that reads each kind of data set, imported on first use; combinations have none."""


def _source(options: Options) -> DatasetModule:
    found = DATASET_MODULES.of(options)
    return cast(DatasetModule, import_module(found) if isinstance(found, str) else found)


def _single(options: Options, split: SplitName) -> list[Options]:
    """Return the data sets that the clips of a split come from."""
    own = data_of(options, split)
    return [part.data for part in own.parts] if isinstance(own, Mixture) else [own]


def _splits_of_each(options: Options) -> list[tuple[Options, list[SplitName]]]:
    """Return each single data set once, with the splits that it gives clips to."""
    found: dict[str, tuple[Options, list[SplitName]]] = {}
    for split in SPLITS:
        for each in _single(options, split):
            _, splits = found.setdefault(each.model_dump_json(), (each, []))
            splits.append(split)
    return list(found.values())


def _place(options: Options, split: SplitName, cache: Path) -> SplitFolder:
    plan = _source(options).plan_split(options, split, cache)
    return SplitFolder(plan, folder_of(cache, options.kind))


def planned_split(options: Options, split: SplitName, cache: Path) -> SplitPlan | None:
    """Plan a split, decoding nothing; None for a mixture, which has to be opened.

    Clips that cannot be read change its digest, which is known only once they were tried.

    Raises:
        MissingError: when the data set is not on this machine.
    """
    own = data_of(options, split)
    if isinstance(own, Mixture):
        return None
    return _source(own).plan_split(own, split, cache)


def _places(options: Options, cache: Path) -> list[SplitFolder]:
    return [_place(each, split, cache) for split in SPLITS for each in _single(options, split)]


def check_available(options: Options) -> None:
    """Check that the data set is on this machine, reading nothing large.

    Raises:
        MissingError: saying what is missing, where it was looked for and how to get it; or which
            sources several splits would share.
    """
    used = _splits_of_each(options)
    for each, splits in used:
        _source(each).check_available(each, splits)
    if len(used) > 1:
        _check_apart(used)


def _check_apart(used: Iterable[tuple[Options, Sequence[SplitName]]]) -> None:
    """Raise MissingError when data sets with other splits read the same file or folder."""
    found: dict[Path, SplitName] = {}
    shared: dict[Path, tuple[SplitName, SplitName]] = {}
    for each, splits in used:
        sources = getattr(_source(each), "sources", lambda *_: ())
        for split in splits:
            for path in sources(each, split):
                first = found.setdefault(path, split)
                if first != split:
                    shared[path] = (first, split)
    if shared:
        path, (first, second) = next(iter(shared.items()))
        more = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
        raise MissingError(
            f"{path} would be in the {first} split and in the {second} split{more}, so that a "
            "result would be measured on what was learned; give the data sets that read one "
            "folder the same `val`, `test` and `test_share`, or give each a folder of its own"
        )


def published_lists(options: Options) -> dict[str, tuple[Path, int, int]]:
    """Return the published lists of a data set: file, clips it names here, clips as published.

    Empty for data sets without lists.
    """
    found: dict[str, tuple[Path, int, int]] = {}
    for each, _ in _splits_of_each(options):
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
        build(_places(options, cache), progress, jobs)
        return {split: _open(options, split, cache) for split in SPLITS}


def shard_folders(options: Options, cache: Path) -> list[Path]:
    """Return the folders of the shards of every split under `cache`, each once."""
    places = _places(options, cache)
    folders = [place.folder / shard.name for place in places for shard in place.plan.shards]
    return list(dict.fromkeys(folders))


def open_split(options: Options, split: SplitName, cache: Path) -> Split:
    """Open one split, building its shards first where the cache lacks them.

    Raises:
        MissingError: when the data set is not on this machine, the split has no clips, or more of
            them cannot be read than the data set tolerates.
    """
    check_available(options)
    return _open(options, split, cache)


def open_alone(options: Options, split: SplitName, cache: Path) -> Split:
    """Open the only split that is asked of a data set, which needs no clips for the others.

    Raises:
        MissingError: as `open_split`.
    """
    check_alone(options, split)
    return _open(options, split, cache)


def check_alone(options: Options, split: SplitName) -> None:
    """Check that one split of a single data set is on this machine, reading nothing large.

    Raises:
        MissingError: as `check_available`.
    """
    _source(options).check_available(options, (split,))


def _open(options: Options, split: SplitName, cache: Path) -> Split:
    """Open a split of a data set that is known to be there."""
    opened = [_opened(each, split, cache) for each in _single(options, split)]
    own = data_of(options, split)
    if not isinstance(own, Mixture):
        return opened[0]
    parts = [Part(part.label, part.weight, one, part.start, part.final)
             for part, one in zip(own.parts, opened, strict=True)]  # fmt: skip
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
    if plan.window is not None:
        opened: Split = WindowedSplit(plan.name, digest, shards, plan.window)
    elif plan.grading is not None:
        opened = GradedSplit(plan.name, digest, shards, plan.grading)
    else:
        opened = Split(plan.name, digest, shards)
    opened.leave_out(plan.left_out)
    return opened


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
    for each, splits in _splits_of_each(options):
        places = [_place(each, split, cache) for split in splits]
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
