"""Make an empty MLflow store as a copy of one that was made before.

MLflow makes its tables migration by migration, which takes a second of processor time for each new
folder of records. The first store that is made is kept, without its experiments: the default one,
which MLflow adds when it first opens a store, names a folder of where it was made.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from shutil import copyfile

from tempo.core.provenance import PACKAGE

KEPT_IN = PACKAGE / "track" / "mlflow" / "__pycache__"
"""Beside what Python keeps of this package, and as much trusted."""

TABLES = "experiments", "runs", "metrics", "params", "tags", "alembic_version"
"""Tables that every version of a store has."""


def make_empty(path: Path, build: Callable[[Path], object]) -> None:
    """Write an empty store to `path`: a copy of the kept one, or with `build`, which is then kept.

    Of each version of MLflow one is kept; where the folder cannot be written, none is.
    """
    from mlflow.version import VERSION

    kept = KEPT_IN / f"empty_store-{VERSION}.db"
    if _is_whole(kept):
        copyfile(kept, path)
        return
    build(path)
    with suppress(OSError, sqlite3.Error):
        _keep(path, kept)


def _keep(made: Path, kept: Path) -> None:
    kept.parent.mkdir(exist_ok=True)
    draft = kept.with_suffix(f".{os.getpid()}")
    try:
        with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(draft)) as target:
            # Unlike a copy of the file, it holds what stands in a journal as well.
            source.backup(target)
            target.execute("DELETE FROM experiments")
            target.commit()
            target.execute("VACUUM")
        draft.replace(kept)
        for old in {*kept.parent.glob("empty_store-*.db")} - {kept}:
            old.unlink()
    finally:
        draft.unlink(missing_ok=True)


def _is_whole(kept: Path) -> bool:
    """Return whether a kept store is a sound database with the tables of MLflow, and empty."""
    if not kept.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{kept.as_uri()}?mode=ro", uri=True)) as opened:
            (sound,) = opened.execute("PRAGMA quick_check(1)").fetchone()
            rows = {
                name: opened.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]
                for name in TABLES
            }
    except sqlite3.Error:
        return False
    return sound == "ok" and rows == {**dict.fromkeys(TABLES, 0), "alembic_version": 1}
