"""Find what can be deleted from the disk, and delete it when told to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tempo.core.catalog import unknown
from tempo.core.errors import RecordError
from tempo.launch.cleanup import Kind, RemovableItem, find_removable, remove_item
from tempo.ledger.folder_use import unused
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store, default_cache, default_root
from tempo.workflow.disk.keeping import size_text

if TYPE_CHECKING:
    import pandas as pd

KINDS: Mapping[Kind, str] = {
    "checkpoints": "checkpoints of complete runs that their results were not made with",
    "galleries": "pictures of test clips that the keep policy of their study lets go",
    "logs": "output of the workers of complete runs",
    "caches": "prepared data: it is built again when a run needs it",
    "runs": "runs that no plan mentions any more",
    "submissions": "what a cluster was asked for, and printed, of runs that are complete",
    "derived": "what reading remembers of the records: they are read anew when asked for",
    "drafts": "files that a process was writing when it was killed",
}
"""What can go, with what it is."""

assert set(KINDS) == set(get_args(Kind))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Cleaning:
    """What can be deleted, or was.

    Attributes:
        items: the files and folders, in the order they are deleted.
        cited: runs that stay because a report names them.
        in_use: kinds that were left alone, with the reason: a study that begins has not written
            down yet what it needs.
        deleted: whether `items` were deleted.

    >>> import tempo
    >>> cleaning = tempo.clean()
    >>> cleaning.deleted, cleaning.bytes == sum(item.bytes for item in cleaning.items)
    (False, True)
    """

    items: tuple[RemovableItem, ...]
    cited: tuple[RemovableItem, ...]
    in_use: Mapping[Kind, str]
    deleted: bool

    @property
    def bytes(self) -> int:
        """What `items` take, or took."""
        return sum(item.bytes for item in self.items)

    def table(self) -> pd.DataFrame:
        """One row a file or folder: its kind, its path and its bytes."""
        import pandas as pd

        rows = [
            {"kind": item.kind, "path": str(item.path), "bytes": item.bytes} for item in self.items
        ]
        return pd.DataFrame(rows, columns=["kind", "path", "bytes"])

    def __repr__(self) -> str:
        done = "was deleted" if self.deleted else "can go"
        return f"<Cleaning: {size_text(self.bytes)} in {len(self.items)} places {done}>"

    def _repr_html_(self) -> str:
        return str(self.table().to_html(index=False))


def clean(
    records: str | Path | None = None,
    *,
    reports: str | Path = "reports",
    cache: str | Path | None = None,
    only: Collection[Kind] = (),
    cited: bool = False,
    delete: bool = False,
) -> Cleaning:
    """Find the files that no result, report or unfinished run needs; delete them if told to.

    Args:
        records: the folder of records (default: `$TEMPO_RECORDS` or `records`).
        reports: the folder of reports.
        cache: the folder of prepared data (default: `$TEMPO_CACHE` or `cache`).
        only: kinds of files, of `checkpoints`, `galleries`, `logs`, `caches`, `runs`,
            `submissions`, `derived` and `drafts`; all, unless some are named.
        cited: take runs that a report names as well, whose report cannot be made again then.
        delete: delete what was found.

    Raises:
        RecordError: for a kind that there is not.
        OSError: when something cannot be deleted.

    >>> import tempo
    >>> tempo.clean(only=["checkpoints"]).deleted
    False
    """
    for kind in only:
        if kind not in KINDS:
            raise RecordError(unknown("kind of file", kind, KINDS))
    store = Store(default_root() if records is None else Path(records))
    prepared = default_cache() if cache is None else Path(cache)
    with unused(store.root) as records_free, unused(prepared) as cache_free:
        in_use: dict[Kind, str] = {}
        for kind, folder, free in (
            ("runs", store.root, records_free),
            ("submissions", store.root, records_free),
            ("caches", prepared, cache_free),
        ):
            if not free:
                in_use[kind] = f"a process uses {folder} now; clean again when it has ended"
        with closing(open_ledger(None, store.root)) as ledger:
            found = find_removable(store, ledger, prepared, Path(reports))
        chosen = [item for item in found if not only or item.kind in only]
        kinds = {item.kind for item in chosen}
        chosen = [item for item in chosen if item.kind not in in_use]
        going = tuple(item for item in chosen if cited or not item.cited_by)
        staying = tuple(item for item in chosen if item.cited_by and not cited)
        for item in going if delete else ():
            remove_item(store, item)
    kept = {kind: why for kind, why in in_use.items() if kind in kinds}
    return Cleaning(items=going, cited=staying, in_use=kept, deleted=delete)
