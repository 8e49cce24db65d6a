"""Find the files that no result, report or unfinished run needs any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache as once
from pathlib import Path
from typing import Literal

from tempo.launch.retention.expired import find_expired
from tempo.launch.retention.named_files import NamedFiles
from tempo.launch.retention.spare_checkpoints import spare_checkpoints, texts_around
from tempo.ledger.port import Ledger, is_active
from tempo.records.disk.removals import delete, remove
from tempo.records.disk.result_checkpoints import checkpoint_files, read_ended_run
from tempo.records.disk.sizes import size_of
from tempo.records.disk.texts import run_ids_in
from tempo.records.drafts import abandoned_drafts
from tempo.records.event_log import is_complete
from tempo.records.layout import Store, read_plan
from tempo.records.memory.derived_values import NAME
from tempo.records.reuse import planned_run_ids
from tempo.records.seed_log import opened_runs, read_looks
from tempo.spec.user.user_profile import load_user_profile

Kind = Literal[
    "checkpoints", "galleries", "logs", "caches", "runs", "submissions", "derived", "drafts"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovableItem:
    """A file or folder that can be deleted. `cited_by`: a report that names the run, if any;
    `policy`: the keep policy that lets it go, if one does."""

    kind: Kind
    path: Path
    bytes: int
    cited_by: str = ""
    policy: str = ""


def find_removable(store: Store, ledger: Ledger, cache: Path, reports: Path) -> list[RemovableItem]:
    """List everything that can be deleted: of each run, the pictures that keep policies let go,
    then what clusters were asked for, the data caches, what reading remembers, and drafts.

    Nothing is listed of a run that a process carries out or that can be resumed. Data caches are
    listed once no planned run needs them any more.
    """
    folders = sorted(path.parent for path in (store.root / "runs").glob("*/run.json"))
    holds = ledger.holds([folder.name for folder in folders])
    planned = mentioned(store)
    cited = citations(reports)
    texts = once(lambda: texts_around(store, reports))
    found: list[RemovableItem] = []
    unfinished: set[str] = set()
    for folder in folders:
        if is_active(holds.get(folder.name)):
            unfinished.add(folder.name)
        elif folder.name not in planned:
            found.append(_item("runs", folder, cited.get(folder.name, "")))
        elif is_complete(folder):
            found += _of_complete(folder, texts)
        else:
            unfinished.add(folder.name)
    needed = unfinished | (planned_runs(store) - {folder.name for folder in folders})
    found += _submissions(store, needed)
    found += _galleries(store, ledger, reports)
    if not needed:
        found += [_item("caches", path) for path in sorted(cache.glob("*/*"))]
    found += [_item("derived", path) for path in sorted(store.root.glob(f"{NAME}*"))]
    for root in (store.root, cache, reports):
        found += [_item("drafts", path) for path in sorted(abandoned_drafts(root))]
    return found


def remove_item(store: Store, item: RemovableItem) -> None:
    """Delete what was listed; of runs that stay, it is noted what was removed from them.

    Raises:
        OSError: when it cannot be deleted.
    """
    runs = store.root / "runs"
    if item.kind in {"checkpoints", "galleries"}:
        folder = runs / item.path.relative_to(runs).parts[0]
        remove(folder, [item.path], item.policy or "tempo clean")
    else:
        delete(item.path)


def _submissions(store: Store, needed: set[str]) -> Iterator[RemovableItem]:
    """Yield what clusters were asked for, but for what names a run that is needed.

    What names no run, such as the job that tends a study, goes once no run is needed.
    """
    for folder in (*sorted(store.root.glob("slurm/*/")), *sorted(store.root.glob("ray/*/"))):
        named = run_ids_in(folder / name for name in ("request.json", "array.json"))
        if not named & needed and (named or not needed):
            yield _item("submissions", folder)


def _galleries(store: Store, ledger: Ledger, reports: Path) -> Iterator[RemovableItem]:
    """Yield the pictures of galleries that every keep policy concerned lets go."""
    expired = find_expired(store, ledger, reports, load_user_profile().keep).expired
    for each in expired:
        if each.kind == "galleries":
            yield replace(_item("galleries", each.path), policy=each.policy)


def _of_complete(folder: Path, texts: Callable[[], NamedFiles]) -> Iterator[RemovableItem]:
    """Yield the checkpoints that nothing needs, and the workers' output."""
    # A folder of one checkpoint has none to spare, which spares reading its record.
    if len(checkpoint_files(folder)) > 1:
        for path in spare_checkpoints(read_ended_run(folder), texts):
            yield _item("checkpoints", path)
    for path in sorted((folder / "attempts").glob("*.log")):
        yield _item("logs", path)


def mentioned(store: Store) -> set[str]:
    """Return every word in the plans, searches and invocations that may be a run_id."""
    return run_ids_in((store.root / "studies").rglob("*"))


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
        for word in run_ids_in(folder.glob("*.*")):
            found.setdefault(word, str(folder))
    return found


def _item(kind: Kind, path: Path, cited_by: str = "") -> RemovableItem:
    return RemovableItem(kind=kind, path=path, bytes=size_of(path), cited_by=cited_by)
