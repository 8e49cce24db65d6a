"""Find the files of runs that a plan, an evaluation or a report names, which no policy removes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tempo.core.identity import file_name
from tempo.records.disk.texts import content_of, run_ids_in

_SHA256 = re.compile(rb"(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])")
_TAIL = re.compile(rb"([0-9A-Za-z]{8,64})[/\\]+(checkpoints|gallery)(?:[/\\]+([0-9A-Za-z.-]+))?")
"""A file of a run as paths end: the run's id, `checkpoints` or `gallery`, and the file's name."""

Tail = tuple[str, str, str]


@dataclass
class NamedFiles:
    """What the texts read so far name. `tails`: ends of paths; `hashes`: SHA-256 of contents."""

    tails: set[Tail] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)

    def take(self, content: bytes) -> None:
        """Add what a text names."""
        self.hashes |= {found.decode() for found in _SHA256.findall(content)}
        self.tails |= {
            (run.decode(), kind.decode(), name.decode())
            for run, kind, name in _TAIL.findall(content)
        }

    def has(self, path: Path, run_id: str, sha256: str = "") -> bool:
        """Whether a checkpoint, or the folder `gallery`, of a run is named, by its path or by the
        hash of its content; a path that names the whole folder names all of its files."""
        if sha256 and sha256 in self.hashes:
            return True
        if path.name == "gallery":
            return any(tail[:2] == (run_id, "gallery") for tail in self.tails)
        kind = path.parent.name
        return bool({(run_id, kind, path.name), (run_id, kind, "")} & self.tails)


def named_in(paths: Iterable[Path]) -> NamedFiles:
    """Return what files name; of those that cannot be read, nothing."""
    found = NamedFiles()
    for path in paths:
        found.take(content_of(path))
    return found


def texts_of(folder: Path) -> Iterator[Path]:
    """Yield the texts in a folder and below it that can name files: records, pages, tables."""
    yield from (
        path
        for end in ("json", "jsonl", "html", "md", "csv", "yaml")
        for path in folder.rglob(f"*.{end}")
    )


def cited_runs(reports: Path) -> Mapping[str, frozenset[str]]:
    """Return the runs that each report names, by the name of the report's folder."""
    folders = sorted(reports.iterdir()) if reports.is_dir() else []
    return {each.name: frozenset(run_ids_in(each.glob("*.*"))) for each in folders}


def is_report_of(folder: str, study: str) -> bool:
    """Whether a report's folder is that of a study, or of the study on a further test set."""
    name = file_name(study)
    return folder == name or folder.startswith(f"{name}_on_")
