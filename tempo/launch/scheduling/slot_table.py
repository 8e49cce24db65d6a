"""Share the slots of a machine among all invocations on it, by priority.

Each run takes a part of a place, a GPU or the processors, and the parts of a place add up to one at
most. An invocation that finds no room waits in a list: the highest priority is first, then the
longest wait, and no invocation behind the first takes a place that the first waits for. One SQLite
file of the machine's user holds both lists; rows of processes that died are removed at each look.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tempo.ledger.port import Owner, is_dead, this_process

VARIABLE = "TEMPO_SLOTS"
"""Environment variable: the file of the list, or `off`, with which each invocation fills the slots
that it sees."""

WAITS_SECONDS = 10.0
"""A process that has not asked again for so long does not wait any more."""

FOREIGN_SECONDS = 60.0
"""The same for runs of a process of which only the machine it is on is known."""

BEAT_SECONDS = 5.0
ROUNDING = 1e-6

TABLES = (
    """CREATE TABLE IF NOT EXISTS taken (
        driver TEXT, slot INTEGER, place TEXT, share REAL, priority INTEGER, since REAL,
        leave TEXT, PRIMARY KEY (driver, slot, place))""",
    """CREATE TABLE IF NOT EXISTS waiting (
        driver TEXT PRIMARY KEY, priority INTEGER, since REAL, places TEXT)""",
    """CREATE TABLE IF NOT EXISTS drivers (
        driver TEXT PRIMARY KEY, host TEXT, pid INTEGER, started REAL, space TEXT, label TEXT,
        beat REAL)""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a run on a slot takes: `share` of each of `places`."""

    places: tuple[str, ...]
    share: float


def parts_of(
    slots: Sequence[Mapping[str, str]], natural: Sequence[Mapping[str, str]] = ()
) -> list[Part]:
    """Return what a run on each slot takes, by the environments of the slots.

    `natural` are the slots that the machine has: one of two takes half, also where fewer are used.
    """
    places = [_places(slot) for slot in slots]
    there = [_places(slot) for slot in natural]
    return [
        Part(places=each, share=1 / max(places.count(each), there.count(each))) for each in places
    ]


def _places(slot: Mapping[str, str]) -> tuple[str, ...]:
    gpus = slot.get("CUDA_VISIBLE_DEVICES")
    if gpus:
        return tuple(f"GPU {name}" for name in gpus.split(","))
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (f"processors {','.join(map(str, cores))}",) if cores else ("processors",)


def default_path() -> Path | None:
    """Return the file of the list: `$TEMPO_SLOTS`, or one of this user, host and Slurm job; None
    where slots are not shared."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return None if given in ("", "off") else Path(given)
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    # Within a job of a cluster the same names are other devices.
    job = os.environ.get("SLURM_JOB_ID", "")
    name = f"slots-{socket.gethostname()}{f'-{job}' if job else ''}.db"
    return Path(tempfile.gettempdir()) / f"tempo-{user}" / name


class SlotTable:
    """The list as one invocation uses it.

    Where the file cannot be used, every slot is granted, and `say` is told why once.

    Args:
        label: what people call the invocation, such as its study.
        preempt: have runs of lower priority checkpoint and leave.
    """

    def __init__(
        self,
        path: Path,
        label: str = "",
        *,
        preempt: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._path, self._label, self._preempt, self._say = path, label, preempt, say
        self._owner = this_process()
        self._driver = f"{self._owner.pid}-{secrets.token_hex(6)}"
        self._database: sqlite3.Connection | None = None
        self._broken = False
        self._beat = 0.0
        self._waits = False
        self.holders: tuple[str, ...] = ()

    def take(self, parts: Mapping[int, Part], priority: int) -> int | None:
        """Take one of the slots in `parts`; None when this invocation has to wait, which it then
        does until it asks again or withdraws. `holders` says for whom."""
        with self._writing() as database:
            if database is None:
                return next(iter(parts), None)
            self._remove_the_dead(database)
            slot = self._free(database, parts, priority)
            if slot is None:
                self._wait(database, parts, priority)
                return None
            database.execute("DELETE FROM waiting WHERE driver = ?", (self._driver,))
            part = parts[slot]
            database.executemany(
                "INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?, ?, ?, '')",
                [
                    (self._driver, slot, place, part.share, priority, time.time())
                    for place in part.places
                ],
            )
            self._waits, self.holders = False, ()
            return slot
        return next(iter(parts), None)

    def release(self, slot: int) -> None:
        """Give a slot back."""
        with self._writing() as database:
            if database is not None:
                database.execute(
                    "DELETE FROM taken WHERE driver = ? AND slot = ?", (self._driver, slot)
                )

    def withdraw(self) -> None:
        """Wait no more."""
        if self._waits:
            self._waits, self.holders = False, ()
            with self._writing() as database:
                if database is not None:
                    database.execute("DELETE FROM waiting WHERE driver = ?", (self._driver,))

    def asked_back(self) -> Mapping[int, str]:
        """Return the slots of this invocation that a higher priority waits for, and for whom."""
        with self._writing(only_read=time.time() < self._beat) as database:
            if database is None:
                return {}
            if time.time() >= self._beat:
                self._note_alive(database)
            rows = database.execute(
                "SELECT slot, leave FROM taken WHERE driver = ? AND leave != ''", (self._driver,)
            )
            return dict(rows.fetchall())
        return {}

    def close(self) -> None:
        """Give everything back."""
        with self._writing() as database:
            if database is not None:
                for table in ("taken", "waiting", "drivers"):
                    database.execute(f"DELETE FROM {table} WHERE driver = ?", (self._driver,))
        if self._database is not None:
            self._database.close()
            self._database = None

    def _free(
        self, database: sqlite3.Connection, parts: Mapping[int, Part], priority: int
    ) -> int | None:
        """Return a slot with room that no invocation in front of this one waits for."""
        used = dict(database.execute("SELECT place, SUM(share) FROM taken GROUP BY place"))
        since = self._since(database)
        before = database.execute(
            "SELECT places FROM waiting WHERE driver != ? AND "
            "(priority > ? OR (priority = ? AND since < ?))",
            (self._driver, priority, priority, since),
        )
        wanted = {place for (places,) in before for place in places.split("\n")}
        for slot, part in parts.items():
            room = all(used.get(each, 0.0) + part.share <= 1 + ROUNDING for each in part.places)
            if room and wanted.isdisjoint(part.places):
                return slot
        return None

    def _since(self, database: sqlite3.Connection) -> float:
        row = database.execute(
            "SELECT since FROM waiting WHERE driver = ?", (self._driver,)
        ).fetchone()
        return float(row[0]) if row else time.time()

    def _wait(self, database: sqlite3.Connection, parts: Mapping[int, Part], priority: int) -> None:
        self._waits = True
        places = dict.fromkeys(place for part in parts.values() for place in part.places)
        since = self._since(database)
        database.execute(
            "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?)",
            (self._driver, priority, since, "\n".join(places)),
        )
        self._note_alive(database)
        if self._preempt:
            self._ask_back(database, parts, priority)
        self.holders = tuple(self._others(database, places))

    def _ask_back(
        self, database: sqlite3.Connection, parts: Mapping[int, Part], priority: int
    ) -> None:
        """Ask runs of lower priority to leave, as few as make room for one run."""
        for part in parts.values():
            chosen: list[tuple[str, int]] = []
            for place in part.places:
                rows = database.execute(
                    "SELECT driver, slot, share, priority, leave FROM taken WHERE place = ? "
                    "ORDER BY priority, since DESC",
                    (place,),
                ).fetchall()
                room = 1 - sum(row[2] for row in rows) + sum(row[2] for row in rows if row[4])
                for driver, slot, share, theirs, leave in rows:
                    if room + ROUNDING < part.share and theirs < priority and not leave:
                        chosen.append((driver, slot))
                        room += share
                if room + ROUNDING < part.share:
                    break
            else:
                told = f"{self._label or 'another invocation'} (priority {priority})"
                database.executemany(
                    "UPDATE taken SET leave = ? WHERE driver = ? AND slot = ?",
                    [(told, *each) for each in chosen],
                )
                return

    def _others(self, database: sqlite3.Connection, places: Iterable[str]) -> Iterator[str]:
        """Yield what other invocations have at the places, in words."""
        asked = list(places)
        marks = ", ".join("?" * len(asked))
        rows = database.execute(
            "SELECT label, pid, taken.priority, COUNT(DISTINCT slot) FROM taken JOIN drivers "
            f"USING (driver) WHERE place IN ({marks}) AND driver != ? "
            "GROUP BY driver, taken.priority ORDER BY taken.priority DESC, pid",
            (*asked, self._driver),
        )
        for label, pid, priority, count in rows.fetchall():
            runs = "1 run" if count == 1 else f"{count} runs"
            yield f"{runs} of {label or 'a study'} (process {pid}, priority {priority})"

    def _note_alive(self, database: sqlite3.Connection) -> None:
        now = time.time()
        self._beat = now + BEAT_SECONDS
        owner = asdict(self._owner)
        database.execute(
            "INSERT OR REPLACE INTO drivers VALUES "
            "(:driver, :host, :pid, :started, :space, :label, :beat)",
            {**owner, "driver": self._driver, "label": self._label, "beat": now},
        )

    def _remove_the_dead(self, database: sqlite3.Connection) -> None:
        now = time.time()
        self._note_alive(database)
        rows = database.execute(
            "SELECT driver, host, pid, started, space, beat FROM drivers WHERE driver != ?",
            (self._driver,),
        ).fetchall()
        for driver, host, pid, started, space, beat in rows:
            owner = Owner(host=host, pid=pid, started=started, space=space)
            silent = now - beat
            foreign = space != self._owner.space
            gone = is_dead(owner) or (foreign and silent > FOREIGN_SECONDS)
            for table in ("taken", "waiting", "drivers") if gone else ():
                database.execute(f"DELETE FROM {table} WHERE driver = ?", (driver,))
            if silent > WAITS_SECONDS:
                database.execute("DELETE FROM waiting WHERE driver = ?", (driver,))

    @contextmanager
    def _writing(self, *, only_read: bool = False) -> Iterator[sqlite3.Connection | None]:
        """Yield the database in a transaction; None where it cannot be used."""
        database = self._begun("BEGIN" if only_read else "BEGIN IMMEDIATE")
        if database is None:
            yield None
            return
        try:
            yield database
            database.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def _begun(self, statement: str) -> sqlite3.Connection | None:
        """Return the database in a new transaction; None where it cannot be used."""
        if self._broken:
            return None
        try:
            self._database = self._database or self._opened()
            self._database.execute(statement)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return None
        return self._database

    def _give_up(self, error: Exception) -> None:
        """Go on without the list, and say why."""
        self._broken, self.holders = True, ()
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        self._say(
            f"the list of slots that invocations on this machine share cannot be used "
            f"({self._path}: {error}); this one fills the slots that it sees. Delete the file, "
            f"or name another in {VARIABLE}"
        )

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = self._path.parent.stat()
        if hasattr(os, "getuid") and about.st_uid != os.getuid() and VARIABLE not in os.environ:
            raise PermissionError(f"{self._path.parent} belongs to another user")
        database = sqlite3.connect(
            self._path, timeout=10, isolation_level=None, check_same_thread=False
        )
        database.execute("PRAGMA synchronous = OFF")
        for table in TABLES:
            database.execute(table)
        return database
