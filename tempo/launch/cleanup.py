"""What lies on the disk and is not needed for any result, report or run that goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tempo.ledger.owner import goes_on
from tempo.ledger.port import Ledger
from tempo.records.event_tail import is_complete
from tempo.records.layout import Store
from tempo.records.run_record import read_result

Kind = Literal["checkpoints", "logs", "caches", "runs"]

_WORD = re.compile(rb"(?<![0-9A-Za-z])[0-9a-f]{8,32}(?![0-9A-Za-z])")
"""What may be a run_id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A file or folder that could go. `cited_by`: the report that names the run, if one does."""

    kind: Kind
    path: Path
    bytes: int
    cited_by: str = ""


def find(store: Store, ledger: Ledger, cache: Path, reports: Path) -> list[Leftover]:
    """Everything that could go, largest kinds in the order of a run's life.

    Of a run that somebody carries out nothing is listed, nor of one that can be resumed. Data
    caches are listed once no planned run needs them any more.
    """
    folders = sorted(path.parent for path in (store.root / "runs").glob("*/run.json"))
    holds = ledger.holds([folder.name for folder in folders])
    planned = mentioned(store)
    cited = citations(reports)
    found: list[Leftover] = []
    waiting = False
    for folder in folders:
        if goes_on(holds.get(folder.name)):
            waiting = True
        elif folder.name not in planned:
            found.append(_leftover("runs", folder, cited.get(folder.name, "")))
        elif is_complete(folder):
            found += _of_complete(folder)
        else:
            waiting = True
    begun = {folder.name for folder in folders}
    if not waiting and planned_runs(store) <= begun:
        found += [_leftover("caches", path) for path in sorted(cache.glob("*/*"))]
    return found


def _of_complete(folder: Path) -> Iterator[Leftover]:
    """Checkpoints beside those that the result was made with, and the output of its workers."""
    test = read_result(folder).test
    # An average is of several checkpoints, and the record names but the newest.
    alone = test is not None and test.checkpoint in {"best", "last"}
    for path in sorted((folder / "checkpoints").glob("*.pt")) if alone else ():
        if test is not None and path.stem != f"step-{test.step:08d}":
            yield _leftover("checkpoints", path)
    for path in sorted((folder / "attempts").glob("*.log")):
        yield _leftover("logs", path)


def mentioned(store: Store) -> set[str]:
    """Everything in the plans, searches and invocations of all studies that may be a run_id."""
    return _words((store.root / "studies").rglob("*"))


def planned_runs(store: Store) -> set[str]:
    """The runs of every plan, of every profile, that was ever carried out."""
    plans = (store.root / "studies").glob("*/plans/*.json")
    pattern = re.compile(rb'"run_id": ?"([0-9A-Za-z]+)"')
    return {word.decode() for path in plans for word in pattern.findall(path.read_bytes())}


def citations(reports: Path) -> Mapping[str, str]:
    """The reports by the runs they name."""
    found: dict[str, str] = {}
    for folder in sorted(reports.iterdir()) if reports.is_dir() else ():
        for word in _words(folder.glob("*.*")):
            found.setdefault(word, str(folder))
    return found


def _words(paths: Iterable[Path]) -> set[str]:
    files = [path for path in paths if path.is_file()]
    return {word.decode() for path in files for word in _WORD.findall(path.read_bytes())}


def _leftover(kind: Kind, path: Path, cited_by: str = "") -> Leftover:
    return Leftover(kind=kind, path=path, bytes=size_of(path), cited_by=cited_by)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what a link points at is not counted."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(each) for each in path.iterdir())
    return path.lstat().st_size
