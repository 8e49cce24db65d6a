"""Open and check the published test sets, each with the evaluation protocol of its authors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tempo.core.catalog import Catalog
from tempo.core.counted import listed_up_to
from tempo.core.errors import MissingError
from tempo.core.plugins.parts import OpenCatalog
from tempo.data.dataset_roots import as_spelled, resolve_root
from tempo.data.testsets import multi_frame_sets, triplet_sets, video_sets
from tempo.data.testsets.testset import Facts, Item, TestSet
from tempo.data.video_io.picture_files import read_picture

__all__ = [
    "FAMILIES",
    "TEST_SETS",
    "Facts",
    "Item",
    "TestSet",
    "expand_names",
    "facts_of",
    "open_test_set",
    "unreadable",
]

TEST_SETS: Catalog[Facts] = OpenCatalog(
    "test set",
    {facts.name: facts for facts in (*triplet_sets.SETS, *video_sets.SETS, *multi_frame_sets.SETS)},
)

FAMILIES: dict[str, tuple[str, ...]] = {
    "snu_film": tuple(facts.name for facts in triplet_sets.SNU_FILM),
    "snu_film_arb": tuple(facts.name for facts in multi_frame_sets.SNU_FILM_ARB),
    "xiph": tuple(facts.name for facts in video_sets.XIPH),
}
"""Names that stand for several sets."""

DATASETS = "${TEMPO_DATASETS:-datasets}"
"""The folder that holds all data sets, where no root is given."""

NAMED = 5
"""Missing files that a message names."""


def expand_names(names: Iterable[str]) -> list[str]:
    """Return the test sets that `names` mean, each once; `snu_film` means its four levels.

    Raises:
        UnknownNameError: naming the known sets and the nearest one.
    """
    every = [one for name in names for one in FAMILIES.get(name, (name,))]
    for name in every:
        TEST_SETS.get(name)
    return list(dict.fromkeys(every))


def facts_of(name: str) -> Facts:
    """Return the description of a test set, which needs none of its files.

    Raises:
        UnknownNameError: naming the known sets and the nearest one.
    """
    return TEST_SETS.get(name)


def open_test_set(
    name: str, root: str | Path | None = None, *, cache: Path | None = None
) -> TestSet:
    """Open the test set called `name`: check that its files exist, decode none.

    Args:
        name: one of `TEST_SETS`.
        root: its folder; may hold `~`, `${NAME}` and `${NAME:-default}`. Without one it is
            `$TEMPO_<NAME>` if that is set (TEMPO_UCF101), else the set's usual place below
            `$TEMPO_DATASETS`, or below `datasets`.
        cache: the folder that keeps the hashes of its pictures, by path, size and time; without one
            they are computed each time that its digest is asked for.

    Raises:
        UnknownNameError: no such set.
        MissingError: no such folder, list or file; says which, and how to get the set.
    """
    facts = facts_of(name)
    folder = _root(facts, root)
    try:
        items = [_as_spelled(item, folder) for item in facts.find(facts, folder)]
        _check_files(facts, items)
    except OSError as error:
        where = f"cannot read {error.filename} ({error.strerror})"
        raise MissingError(f"{facts.title}: {where}; {facts.help}") from None
    return TestSet(facts, folder, items, cache=cache)


def _root(facts: Facts, root: str | Path | None) -> Path:
    own = f"TEMPO_{facts.name.upper()}"
    if root is None:
        root = os.environ.get(own) or f"{DATASETS}/{facts.folder}"
    help_ = f"give its root, or set {own}; {facts.help}"
    return resolve_root(str(root), facts.title, "its root", help_)


def _as_spelled(item: Item, root: Path) -> Item:
    """Return a clip with its files named as they are, in whatever upper and lower case."""
    if all(map(Path.is_file, item.files)) or not all(root in file.parents for file in item.files):
        return item
    found = [as_spelled(root, file.relative_to(root).as_posix()) for file in item.files]
    return replace(item, inputs=tuple(found[:-1]), target=found[-1])


def _check_files(facts: Facts, items: Iterable[Item]) -> None:
    wanted = dict.fromkeys(file for item in items for file in item.files)
    missing = [file for file in wanted if not file.is_file()]
    if missing:
        named = listed_up_to(NAMED, list(map(str, missing)))
        raise MissingError(
            f"{facts.title}: {len(missing)} of {len(wanted)} pictures are missing: "
            f"{named}; {facts.help}"
        )


def unreadable(
    clips: TestSet, jobs: int, told: Callable[[int, int], None] = lambda done, total: None
) -> dict[Path, str]:
    """Return the pictures of a test set that cannot be read, each with the reason.

    Every picture is decoded once, in `jobs` threads: decoding runs outside Python's lock. `told`
    is called with the number done and the number of all.
    """
    files = list(dict.fromkeys(file for item in clips.items for file in item.files))

    def problem(file: Path) -> str | None:
        try:
            read_picture(file, clips.facts.title, clips.facts.stored)
        except MissingError as error:
            return str(error)
        return None

    found: dict[Path, str] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for done, (file, said) in enumerate(zip(files, pool.map(problem, files), strict=True), 1):
            if said is not None:
                found[file] = said
            told(done, len(files))
    return found
