"""Measure what records take on the disk: by kind of file, run and study."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tempo.core.errors import RecordError
from tempo.records.layout import Store
from tempo.records.memory.derived_values import NAME
from tempo.records.reuse import planned_run_ids

RUN_KINDS = {
    "checkpoints": "weights and the state of training",
    "galleries": "pictures of test clips",
    "samples": "pictures of validation clips",
    "evaluations": "results of `tempo evaluate`",
    "tables": "values of every test clip",
    "logs": "what workers printed",
    "events": "what runs did, and their specs",
}
"""Kinds of a run's files, with what they are."""

KINDS = {
    **RUN_KINDS,
    "plans": "plans, verdicts and searches",
    "submissions": "what clusters were asked for, and printed",
    "mlflow": "the MLflow mirror and its artifacts",
    "derived": "what reading remembers of the rest; can be deleted at any time",
    "other": "prices, ledger, files of others",
}
"""Every kind of file in a folder of records."""

_FOLDERS = {
    "checkpoints": "checkpoints",
    "gallery": "galleries",
    "images": "samples",
    "evaluations": "evaluations",
    "attempts": "logs",
}
_TOP = {
    "studies": "plans",
    "slurm": "submissions",
    "ray": "submissions",
    "mlartifacts": "mlflow",
    "mirror": "mlflow",
    "wandb": "mlflow",
}
_DATABASES = {"mlflow.db": "mlflow", NAME: "derived"}
"""Kinds of databases, and of the files beside one, whose names begin like its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsUse:
    """What a folder of records takes.

    Attributes:
        bytes: by kind of file.
        files: how many files of each kind.
        runs: by run id, the bytes of its files by kind.
        studies: by study, the ids of the runs that its plans name and that are recorded.
    """

    bytes: Mapping[str, int]
    files: Mapping[str, int]
    runs: Mapping[str, Mapping[str, int]]
    studies: Mapping[str, frozenset[str]]

    @property
    def unplanned(self) -> frozenset[str]:
        """The recorded runs that no plan names."""
        return frozenset(self.runs).difference(*self.studies.values())


@dataclass
class _Sums:
    bytes: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    runs: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def measure(store: Store) -> RecordsUse:
    """Measure a folder of records; what goes while it is read counts nothing."""
    sums = _Sums()
    for entry in _entries(store.root):
        if entry.name == "runs" and entry.is_dir(follow_symlinks=False):
            for run in _entries(Path(entry.path)):
                _take_run(sums, run)
        else:
            of = (kind for name, kind in _DATABASES.items() if entry.name.startswith(name))
            kind = _TOP.get(entry.name) or next(of, "other")
            for size in _sizes(entry):
                sums.bytes[kind] += size
                sums.files[kind] += 1
    return RecordsUse(
        bytes={kind: sums.bytes[kind] for kind in KINDS},
        files={kind: sums.files[kind] for kind in KINDS},
        runs=sums.runs,
        studies=_studies(store, sums.runs),
    )


def _take_run(sums: _Sums, run: os.DirEntry[str]) -> None:
    if not run.is_dir(follow_symlinks=False):
        return
    own = sums.runs[run.name]
    for entry in _entries(Path(run.path)):
        table = entry.name.startswith("clips") and entry.name.endswith(".parquet")
        kind = _FOLDERS.get(entry.name, "tables" if table else "events")
        for size in _sizes(entry):
            own[kind] += size
            sums.bytes[kind] += size
            sums.files[kind] += 1


def _studies(store: Store, runs: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """Return the recorded runs of every study, of all its plans that can be read."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((store.root / "studies").glob("*/plans/*.json")):
        with suppress(RecordError):
            found[path.parents[1].name] |= planned_run_ids(path) & runs.keys()
    return {study: frozenset(ids) for study, ids in found.items()}


def _sizes(entry: os.DirEntry[str]) -> Iterator[int]:
    """Yield the sizes of a file, or of every file below a folder; links are not followed."""
    with suppress(OSError):
        if entry.is_dir(follow_symlinks=False):
            for each in _entries(Path(entry.path)):
                yield from _sizes(each)
        else:
            yield entry.stat(follow_symlinks=False).st_size


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        yield from entries
