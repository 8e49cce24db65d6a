"""Define the ledger: leases on keys with fencing tokens, on the clock of one shared database.

A key is a run_id (or a search's ticket). Claiming a key gives a token, larger with every claim; a
claim succeeds when nobody holds the key, the holder's lease expired, or the holder is known to be
dead. A holder renews at a sixth of the time to live and ends itself before the lease can be taken
over when it cannot; so a holder that is merely slow keeps its key, and one that was frozen finds
its token outdated when it wakes: `publish` fails for it, and nothing it writes counts any more.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import psutil

MARGIN = 0.2
"""A lease can be taken over this share of its time to live after it expired: for the rates of two
clocks, and for a holder that ends itself at the last moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that claims keys; `tempo.ledger.port.this_process` makes it.

    `started` tells it from a later process with the same pid. `space` is where the pid means this
    process: the host since its last start, and the pid namespace there.
    """

    host: str
    pid: int
    started: float
    space: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A row of the ledger. `left` is in seconds on the ledger's clock, negative once expired, and
    infinite where leases do not expire.

    `held`: somebody works on the key, or did until the lease expired. `asked_to_stop`: what holds
    the key is to checkpoint and leave, and nobody is to begin anew.
    """

    key: str
    owner: Owner
    token: int
    held: bool
    left: float
    asked_to_stop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The steps one claim of a run published: those after `first`, up to `last`; None: still open.

    `last` is settled by the end of the attempt, or by the step from which a later claim resumed.
    """

    key: str
    token: int
    owner: Owner
    first: int
    last: int | None


class Ledger(Protocol):
    """Safe to use from many processes, and from many hosts where the database is shared.

    Every method raises `tempo.core.errors.LedgerError` when the ledger cannot be reached.
    """

    @property
    def url(self) -> str:
        """Where the ledger is, for people and records: without a password."""

    def claim(self, key: str, owner: Owner, ttl: float, above: int = 0) -> int | None:
        """Claim `key` for `ttl` seconds; the token, or None when another process holds it or when a
        stop was asked for.

        The token is larger than any before and than `above`, which the caller knows from records
        that outlived a ledger.
        """

    def again(self, key: str, token: int) -> int | None:
        """A larger token for the holder itself, which begins anew; None with an outdated one."""

    def renew(self, key: str, token: int, ttl: float) -> Hold | None:
        """Hold on for another `ttl` seconds: the row as it is now, None with an outdated token.

        A lease that expired and that nobody took over is revived.
        """

    def publish(self, key: str, token: int) -> bool:
        """Return whether the token is still the newest; then no other process can claim the key for
        another time to live, in which the result has to be written."""

    def release(self, key: str, token: int) -> None:
        """Give the key back; nothing happens with an outdated token."""

    def began(self, key: str, token: int, step: int) -> None:
        """Note the step a claim starts from; settles the spans of earlier claims there.

        Like `reached`, it does nothing with an outdated token.
        """

    def reached(self, key: str, token: int, step: int) -> None:
        """Note the last step that a claim published."""

    def ask_to_stop(self, keys: Iterable[str], stop: bool = True) -> None:
        """Ask holders of the keys to leave, and refuse claims; with `stop=False` take that back.

        A process that begins work anew at a user's command takes the request back first.
        """

    def holds(self, keys: Iterable[str]) -> Mapping[str, Hold]:
        """Return the rows of those keys that were ever claimed or asked to stop."""

    def standing(self, keys: Collection[str]) -> Mapping[str, Hold]:
        """Return the rows of those keys that are held or asked to stop.

        A pool of ten thousand runs asks every second, and almost none of them has such a row.
        """

    def spans(self, key: str) -> tuple[Span, ...]:
        """What each claim of a run published, in order."""

    def close(self) -> None: ...


_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def this_process() -> Owner:
    """Return the calling process, identified among all processes of all hosts and times."""
    pid = os.getpid()
    return Owner(
        host=socket.gethostname(), pid=pid, started=_started(pid) or 0.0, space=_space(pid)
    )


def is_dead(owner: Owner) -> bool:
    """Whether an owner is known to be gone. Of another host, or a pid namespace that this process
    does not share, nothing is known; a frozen process is not dead, a zombie is."""
    if not owner.space or owner.space != _space(os.getpid()):
        return False
    try:
        return _started(owner.pid) != owner.started
    except PermissionError:
        return False


def is_active(hold: Hold | None) -> bool:
    """Whether the key is held by a process that is not known to be dead, and not expired."""
    return hold is not None and hold.held and hold.left > 0 and not is_dead(hold.owner)


@cache
def _space(pid: int) -> str:
    """Return a name of this boot and pid namespace; `pid` makes the cache miss after a fork."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()}/{psutil.boot_time():.0f}"


def _started(pid: int) -> float | None:
    """Return a process's start in seconds since boot; None when it is gone or a zombie.

    Raises:
        PermissionError: when the process is there, and hidden from this user.
    """
    if not Path("/proc/self/stat").is_file():
        return _started_elsewhere(pid)
    try:
        # The name of the command, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        _check_hidden(pid)
        return None
    return None if fields[0] in "ZX" else int(fields[19]) / _TICKS


def _check_hidden(pid: int) -> None:
    """Check that a process that /proc does not show is gone.

    Raises:
        PermissionError: when the process is there: /proc may hide the processes of other users.
    """
    with contextlib.suppress(ProcessLookupError, OverflowError):
        os.kill(pid, 0)


def _started_elsewhere(pid: int) -> float | None:
    """Return the same on systems without /proc, in Unix seconds."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied as error:
        raise PermissionError(str(error)) from error
