"""Tell what studies take on the disk, and what their keep policies let go."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tempo.core.catalog import unknown
from tempo.core.errors import RecordError
from tempo.launch.retention.expired import Found, find_expired
from tempo.ledger.open import open_ledger
from tempo.records.disk.sizes import size_of
from tempo.records.disk.usage import RUN_KINDS, RecordsUse, measure
from tempo.records.layout import Store, default_cache, default_root
from tempo.spec.user.user_profile import load_user_profile
from tempo.workflow.disk.keeping import size_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DiskUse:
    """What a folder of records, its reports and its data cache take.

    Attributes:
        root: the folder of records.
        records: its bytes and files by kind, run and study.
        cache: bytes of the prepared data.
        reports: bytes of the reports.
        free: bytes that are free on the disk of the records.
        expired: what the keep policies let go: `expired.bytes` in all, a record a file in
            `expired.expired`, and why something could not be judged in `expired.problems`.

    >>> import tempo
    >>> use = tempo.disk_use()
    >>> use.bytes > use.records.bytes["checkpoints"] > 0
    True
    """

    root: Path
    records: RecordsUse
    cache: int
    reports: int
    free: int
    expired: Found

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(self.records.bytes.values()) + self.cache + self.reports

    def table(self, by: Literal["kind", "study", "run"] = "kind") -> pd.DataFrame:
        """One row a kind of file, a study or a run, largest first, in bytes.

        A run that several studies share counts for each of them. By `study`, a last row counts the
        runs that no plan names.
        """
        import pandas as pd

        if by == "kind":
            kinds = [
                {"kind": kind, "bytes": size, "files": self.records.files[kind]}
                for kind, size in self.records.bytes.items()
            ]
            kinds += [
                {"kind": "cache", "bytes": self.cache, "files": None},
                {"kind": "reports", "bytes": self.reports, "files": None},
            ]
            frame = pd.DataFrame(kinds)
            return frame.sort_values("bytes", ascending=False, ignore_index=True)
        if by == "study":
            rows: list[dict[str, Any]] = [
                {"study": study, **self._of(runs)} for study, runs in self.records.studies.items()
            ]
            rows.sort(key=lambda row: -row["bytes"])
            if self.records.unplanned:
                rows.append({"study": None, **self._of(self.records.unplanned)})
            return pd.DataFrame(rows)
        if by == "run":
            studies = {
                run: ", ".join(s for s, ids in self.records.studies.items() if run in ids)
                for run in self.records.runs
            }
            rows = [
                {"run_id": run, "studies": studies[run], **self._of(frozenset({run}))}
                for run in self.records.runs
            ]
            frame = pd.DataFrame(rows)
            return frame.sort_values("bytes", ascending=False, ignore_index=True)
        raise RecordError(unknown("way to sum up", by, ["kind", "study", "run"]))

    def _of(self, runs: frozenset[str]) -> dict[str, int]:
        kinds = {kind: sum(self.records.runs[run].get(kind, 0) for run in runs)
                 for kind in RUN_KINDS}  # fmt: skip
        return {"runs": len(runs), "bytes": sum(kinds.values()), **kinds}

    def __repr__(self) -> str:
        return (
            f"<DiskUse of {self.root}: {size_text(self.bytes)} with cache and reports, of which "
            f"the keep policies let {size_text(self.expired.bytes)} go>"
        )

    def _repr_html_(self) -> str:
        return str(self.table().to_html(index=False, na_rep="-"))


def disk_use(
    records: str | Path | None = None,
    *,
    reports: str | Path = "reports",
    cache: str | Path | None = None,
) -> DiskUse:
    """Measure what records, reports and the data cache take; nothing is changed.

    Args:
        records: the folder of records (default: `$TEMPO_RECORDS` or `records`).
        reports: the folder of reports.
        cache: the folder of prepared data (default: `$TEMPO_CACHE` or `cache`).

    Raises:
        RecordError: there is no such folder of records.
        SpecError: the user's profile breaks a rule.

    >>> import tempo
    >>> use = tempo.disk_use()
    >>> {"checkpoints", "galleries", "cache"} <= set(use.table()["kind"])
    True
    """
    root = default_root() if records is None else Path(records)
    if not root.is_dir():
        raise RecordError(
            f"there is no folder of records at {root}: name another one with `records`, or run a "
            "study first"
        )
    store = Store(root)
    profile = load_user_profile().keep
    with closing(open_ledger(None, root)) as ledger:
        expired = find_expired(store, ledger, Path(reports), profile)
    return DiskUse(
        root=root,
        records=measure(store),
        cache=size_of(default_cache() if cache is None else Path(cache)),
        reports=size_of(Path(reports)),
        free=shutil.disk_usage(root).free,
        expired=expired,
    )
