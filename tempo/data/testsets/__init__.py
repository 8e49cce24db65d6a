"""Open the published test sets by name, each with the evaluation protocol of its authors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from types import ModuleType

from tempo.core.catalog import Catalog
from tempo.core.errors import MissingError
from tempo.data.dataset_roots import resolve_root
from tempo.data.testsets import davis, middlebury, snu_film, ucf101, vimeo90k, x_test, xiph
from tempo.data.testsets.testset import Facts, Item, TestSet

__all__ = [
    "FAMILIES",
    "TEST_SETS",
    "Facts",
    "Item",
    "TestSet",
    "expand_names",
    "facts_of",
    "open_test_set",
]

_MODULES: tuple[ModuleType, ...] = (vimeo90k, ucf101, middlebury, snu_film, xiph, x_test, davis)

TEST_SETS: Catalog[ModuleType] = Catalog(
    "test set", {facts.name: module for module in _MODULES for facts in module.SETS}
)
"""Name of a test set to the module that knows its files."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "snu_film": tuple(facts.name for facts in snu_film.SETS),
    "xiph": tuple(facts.name for facts in xiph.SETS),
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
    module = TEST_SETS.get(name)
    found: Facts = next(facts for facts in module.SETS if facts.name == name)
    return found


def open_test_set(name: str, root: str | Path | None = None) -> TestSet:
    """Open the test set called `name`: check that its files exist, decode none.

    Args:
        name: one of `TEST_SETS`.
        root: its folder; may hold `~`, `${NAME}` and `${NAME:-default}`. Without one it is
            `$TEMPO_<NAME>` if that is set (TEMPO_UCF101), else the set's usual place below
            `$TEMPO_DATASETS`, or below `datasets`.

    Raises:
        UnknownNameError: no such set.
        MissingError: no such folder, list or file; says which, and how to get the set.
    """
    facts = facts_of(name)
    module = TEST_SETS.get(name)
    folder = _root(facts, root)
    try:
        items = module.find(facts, folder)
        _check_files(facts, items)
    except OSError as error:
        where = f"cannot read {error.filename} ({error.strerror})"
        raise MissingError(f"{facts.title}: {where}; {facts.help}") from None
    return TestSet(facts, folder, items, content=getattr(module, "content", None))


def _root(facts: Facts, root: str | Path | None) -> Path:
    own = f"TEMPO_{facts.name.upper()}"
    if root is None:
        root = os.environ.get(own) or f"{DATASETS}/{facts.folder}"
    help_ = f"give its root, or set {own}; {facts.help}"
    return resolve_root(str(root), facts.title, "its root", help_)


def _check_files(facts: Facts, items: Iterable[Item]) -> None:
    wanted = dict.fromkeys(file for item in items for file in (*item.inputs, item.target))
    missing = [file for file in wanted if not file.is_file()]
    if missing:
        named = ", ".join(str(file) for file in islice(missing, NAMED))
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise MissingError(
            f"{facts.title}: {len(missing)} of {len(wanted)} pictures are missing: "
            f"{named}{more}; {facts.help}"
        )
