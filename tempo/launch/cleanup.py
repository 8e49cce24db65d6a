"""Find the files that no result, report or unfinished run needs any more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tempo.ledger.port import Ledger, is_active
from tempo.records.event_log import is_complete
from tempo.records.layout import Store, read_plan
from tempo.records.reuse import planned_run_ids
from tempo.records.run_record import read_result
from tempo.records.seed_log import opened_runs, read_looks

Kind = Literal["checkpoints", "logs", "caches", "runs"]

_WORD = re.compile(rb"(?<![0-9A-Za-z])[0-9a-f]{8,32}(?![0-9A-Za-z])")
"""Anything that may be a run_id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovableItem:
    """A file or folder that can be deleted. `cited_by`: a report that names the run, if any."""

    kind: Kind
    path: Path
    bytes: int
    cited_by: str = ""


def find_removable(store: Store, ledger: Ledger, cache: Path, reports: Path) -> list[RemovableItem]:
    """List everything that can be deleted: of each run, then the data caches.

    Nothing is listed of a run that a process carries out or that can be resumed. Data caches are
    listed once no planned run needs them any more.
    """
    folders = sorted(path.parent for path in (store.root / "runs").glob("*/run.json"))
    holds = ledger.holds([folder.name for folder in folders])
    planned = mentioned(store)
    cited = citations(reports)
    found: list[RemovableItem] = []
    unfinished = False
    for folder in folders:
        if is_active(holds.get(folder.name)):
            unfinished = True
        elif folder.name not in planned:
            found.append(_item("runs", folder, cited.get(folder.name, "")))
        elif is_complete(folder):
            found += _of_complete(folder)
        else:
            unfinished = True
    if not unfinished and planned_runs(store) <= {folder.name for folder in folders}:
        found += [_item("caches", path) for path in sorted(cache.glob("*/*"))]
    return found


def _of_complete(folder: Path) -> Iterator[RemovableItem]:
    """Yield the checkpoints that the result was not made with, and the workers' output."""
    test = read_result(folder).test
    # An average is of several checkpoints, and the record names only the newest of them.
    single = test is not None and test.checkpoint in {"best", "last"}
    for path in sorted((folder / "checkpoints").glob("*.pt")) if single else ():
        if test is not None and path.stem != f"step-{test.step:08d}":
            yield _item("checkpoints", path)
    for path in sorted((folder / "attempts").glob("*.log")):
        yield _item("logs", path)


def mentioned(store: Store) -> set[str]:
    """Return every word in the plans, searches and invocations that may be a run_id."""
    return _words((store.root / "studies").rglob("*"))


def planned_runs(store: Store) -> set[str]:
    """Return the runs of all stored plans, of every study and profile.

    Of a study with adaptive seeds whose looks are over, those that were opened.
    """
    found: set[str] = set()
    for path in (store.root / "studies").glob("*/plans/*.json"):
        looked = path.parent.parent / "seeds" / f"{path.stem}.jsonl"
        plan = read_plan(path) if looked.is_file() else None
        looks = read_looks(store, plan) if plan else ()
        if plan and looks and looks[-1].ended:
            found |= {run.run_id for run in opened_runs(plan, looks)}
        else:
            found |= planned_run_ids(path)
    return found


def citations(reports: Path) -> Mapping[str, str]:
    """Return a report's folder for each run that a report names."""
    found: dict[str, str] = {}
    for folder in sorted(reports.iterdir()) if reports.is_dir() else ():
        for word in _words(folder.glob("*.*")):
            found.setdefault(word, str(folder))
    return found


def _words(paths: Iterable[Path]) -> set[str]:
    files = [path for path in paths if path.is_file()]
    return {word.decode() for path in files for word in _WORD.findall(path.read_bytes())}


def _item(kind: Kind, path: Path, cited_by: str = "") -> RemovableItem:
    return RemovableItem(kind=kind, path=path, bytes=size_of(path), cited_by=cited_by)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(each) for each in path.iterdir())
    return path.lstat().st_size
