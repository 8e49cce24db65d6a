"""Tell which checkpoints of a complete run nothing needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tempo.launch.retention.named_files import NamedFiles, named_in, texts_of
from tempo.records.disk.result_checkpoints import checkpoint_files, result_checkpoints
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord


def texts_around(store: Store, reports: Path) -> NamedFiles:
    """Return the files of runs that plans, searches and reports name."""
    return named_in(path for each in (store.root / "studies", reports) for path in texts_of(each))


def spare_checkpoints(record: RunRecord, texts: Callable[[], NamedFiles]) -> Iterator[Path]:
    """Yield the checkpoints of a complete run that its result was not made with, and that neither
    `texts` nor the run's own evaluations name."""
    needed = result_checkpoints(record)
    others = [path for path in checkpoint_files(record.folder) if path not in needed]
    if not needed or not others:
        return
    hashes = {each.path: each.sha256 for each in record.checkpoints}
    evaluated = named_in(texts_of(record.folder / "evaluations"))
    for path in others:
        name = path.relative_to(record.folder).as_posix()
        own = (path, record.run_id, hashes.get(name, ""))
        if not (texts().has(*own) or evaluated.has(*own)):
            yield path
