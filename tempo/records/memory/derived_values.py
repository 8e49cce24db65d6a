"""Remember what was derived from files of records, so that reading them again costs what changed.

<root>/derived.db    a row for each file and thing derived: the file's size and times, the value

The database is worth nothing: what is missing from it, damaged or derived from another state of a
file is derived again, and a folder that cannot be written to is read as if there were none. A value
is taken only while the file has the size, the times and the inode of the moment before it was read.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

NAME = "derived.db"

Signature = tuple[int, int, int, int]
"""Size, modification, change of the inode, both in nanoseconds, and the inode of a file."""

SETTLED_NS = 2 * 10**9
"""A file that changed this short a time ago may change again without another time showing it."""

PENDING_BYTES = 1 << 24
"""Values that are held back until they are written together."""

MAPPED_BYTES = 1 << 30
"""Most bytes of the database that are mapped into memory instead of being read."""

PATIENCE = 0.5
"""Seconds that a writer waits for another one; values that are not written are derived again."""

_DERIVING = ("event_log.py", "events.py", "field_types.py", "json_text.py", "layout.py",
             "progress.py", "run_record.py", "memory")  # fmt: skip
"""The code that decides what is derived; values of other code count for nothing."""

TABLE = """CREATE TABLE IF NOT EXISTS derived (
    file TEXT NOT NULL, part TEXT NOT NULL, signature TEXT NOT NULL, code TEXT NOT NULL,
    checksum INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (file, part)
) WITHOUT ROWID"""
READ = "SELECT signature, code, checksum, value FROM derived WHERE file = ? AND part = ?"
WRITE = "INSERT OR REPLACE INTO derived VALUES (?, ?, ?, ?, ?, ?)"


class DerivedValues:
    """The values derived from the files of one folder of records."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = f"{root}{os.sep}"
        self._user = _user()
        self._pending: list[tuple[str, str, str, str, int, bytes]] = []
        self._waiting = 0
        self._database = self._opened()

    def recall(self, path: str, part: str, seen: Signature | None) -> bytes | None:
        """Return a value derived from the file at `path` while its signature was `seen`."""
        if self._database is None or seen is None:
            return None
        try:
            row = self._database.execute(READ, (self._name(path), part)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        if row is None:
            return None
        signature, code, checksum, value = row
        valid = signature == repr(seen) and code == _code() and type(value) is bytes
        return value if valid and zlib.crc32(value) == checksum else None

    def keep(self, path: str, part: str, seen: Signature | None, value: bytes) -> None:
        """Remember a value that was derived since the signature of the file was `seen`."""
        if self._database is None or seen is None or signature_of(path) != seen:
            return
        if time.time_ns() - max(seen[1], seen[2]) < SETTLED_NS:
            return
        row = (self._name(path), part, repr(seen), _code(), zlib.crc32(value), value)
        self._pending.append(row)
        self._waiting += len(value)
        if self._waiting > PENDING_BYTES:
            self._write()

    def covers(self, path: str) -> bool:
        """Tell whether this is where values of the file at `path` are remembered, for this thread:
        a database is used by the thread and the process that opened it alone."""
        return path.startswith(self._prefix) and self._user == _user()

    def close(self) -> None:
        """Write what is pending; never fails."""
        self._write()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _name(self, path: str) -> str:
        return path.removeprefix(self._prefix)

    def _opened(self) -> sqlite3.Connection | None:
        path = self.root / NAME
        if not self.root.is_dir() or (path.exists() and not path.is_file()):
            return None
        try:
            database = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
            # A power cut may damage what is worth nothing.
            database.execute("PRAGMA synchronous = OFF")
            database.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
            database.execute(TABLE)
            # One transaction for all that is read: each of its own would lock the file anew.
            database.execute("BEGIN")
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            return None
        return database

    def _write(self) -> None:
        pending, self._pending, self._waiting = self._pending, [], 0
        if self._database is None or not pending:
            return
        try:
            self._database.execute("COMMIT")
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(WRITE, pending)
            self._database.execute("COMMIT")
            self._database.execute("BEGIN")
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        """Go on without the database; a damaged one is removed, one that is busy stays."""
        assert self._database is not None
        with suppress(sqlite3.Error):
            self._database.close()
        self._database = None
        if not isinstance(error, sqlite3.OperationalError):
            (self.root / NAME).unlink(missing_ok=True)


def signature_of(path: str) -> Signature | None:
    """Return the signature of the file at `path`; None where there is none."""
    try:
        # As a text: a status asks of ten thousand files.
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _user() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


@cache
def _code() -> str:
    """Return a hash of the code that derives the values."""
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for name in _DERIVING:
        path = folder / name
        for source in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


_open: list[DerivedValues] = []
"""The values that are in use, the innermost last."""


@contextmanager
def remembering(root: Path) -> Iterator[None]:
    """Read the records in `root` with what was derived from them before, and remember what is now.

    Outside of this, as in a worker, nothing is remembered.

    >>> from tempo.records.layout import Store, default_root
    >>> with remembering(default_root()):
    ...     plans = Store(default_root()).load_plans()
    """
    root = root.absolute()
    if any(each.covers(f"{root}{os.sep}") for each in _open):
        yield
        return
    values = DerivedValues(root)
    _open.append(values)
    try:
        yield
    finally:
        _open.remove(values)
        values.close()


class Source:
    """A file that values are derived from: recall one, or derive it and keep it."""

    def __init__(self, path: Path) -> None:
        self._values: DerivedValues | None = None
        self._seen: Signature | None = None
        if _open:
            self._path = os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118
            self._values = next((each for each in _open if each.covers(self._path)), None)
            if self._values is not None:
                self._seen = signature_of(self._path)

    @property
    def size(self) -> int:
        """Bytes of the file when the source was made."""
        return self._seen[0] if self._seen else 0

    def recall(self, part: str) -> bytes | None:
        """Return what was derived from the file as it is; None where that is not known."""
        if self._values is None:
            return None
        return self._values.recall(self._path, part, self._seen)

    def keep(self, part: str, value: bytes) -> None:
        """Remember what was derived from the file since this source was made."""
        if self._values is not None:
            self._values.keep(self._path, part, self._seen, value)

    @property
    def remembered(self) -> bool:
        """Whether values of this file are remembered at all."""
        return self._values is not None
