"""Keep messages until they are delivered: `<root>/notices/<id>.json`, and try again with patience.

A message is on the disk before the first try, so that neither a server that is down nor a killed
process loses one: what is left is tried again when the next study runs on these records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from tempo.core.errors import RecordError
from tempo.records.files import read_object, write_json
from tempo.spec.user.notify import Notify
from tempo.track.notices.delivery import LaterError, NeverError, channels, deliver
from tempo.track.notices.message import Message

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the second try, and most between two."""
FACTOR = 2.0
OLDEST = 24 * 3600.0
"""Seconds after which a message is no news any more, and is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A message that is still to go on one channel. `problem`: why the last try failed."""

    path: Path
    message: Message
    channel: str
    problem: str = ""


def folder_of(root: Path) -> Path:
    return root / "notices"


def put(root: Path, message: Message, notify: Notify) -> None:
    """Write a message for each channel."""
    for channel in channels(notify):
        path = folder_of(root) / f"{message.id}-{channel}.json"
        write_json(path, {"message": message.to_json(), "channel": channel, "problem": ""})


def pending(root: Path) -> Iterator[Pending]:
    """Yield what is still to be delivered, the oldest first; what is damaged or too old goes."""
    found = []
    for path in folder_of(root).glob("*.json"):
        try:
            value = read_object(path)
            message = Message.from_json(value["message"])
            age = time.time() - float(message.time)
            each = Pending(
                path=path,
                message=message,
                channel=str(value["channel"]),
                problem=str(value.get("problem", "")),
            )
        except (RecordError, KeyError, TypeError, ValueError):
            age, each = OLDEST + 1, None
        if each is None or age > OLDEST:
            path.unlink(missing_ok=True)
        else:
            found.append(each)
    yield from sorted(found, key=lambda each: each.message.time)


def attempt(each: Pending, notify: Notify) -> bool:
    """Try once; return whether another try may help. Delivered or refused messages are removed."""
    if each.channel not in channels(notify):
        each.path.unlink(missing_ok=True)
        return False
    try:
        deliver(each.message, notify, each.channel)
    except LaterError as error:
        _note(each, str(error))
        return True
    except NeverError as error:
        _note(replace(each, path=each.path.with_suffix(".refused")), str(error))
    each.path.unlink(missing_ok=True)
    return False


def _note(each: Pending, problem: str) -> None:
    with suppress(OSError):
        write_json(
            each.path,
            {"message": each.message.to_json(), "channel": each.channel, "problem": problem},
        )


def problems(root: Path) -> list[str]:
    """Why messages were not delivered, in words; forgets those that were refused."""
    said = [each.problem or "no answer yet" for each in pending(root)]
    for path in folder_of(root).glob("*.refused"):
        with suppress(RecordError, OSError):
            said.append(str(read_object(path).get("problem", "")))
        path.unlink(missing_ok=True)
    return list(dict.fromkeys(filter(None, said)))


class Postman:
    """A thread that delivers what lies in the outbox, with growing pauses while that fails."""

    def __init__(self, root: Path, notify: Notify) -> None:
        self._root, self._notify = root, notify
        self._due, self._leaving = threading.Event(), threading.Event()
        self._empty = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tempo-postman", daemon=True)
        self._thread.start()

    def hurry(self) -> None:
        """Look into the outbox now, where a message was put."""
        self._empty.clear()
        self._due.set()

    def leave(self, patience: float) -> bool:
        """Wait for what is to be delivered, up to `patience` seconds; whether nothing is left."""
        self._leaving.set()
        self._due.set()
        return self._empty.wait(patience)

    def _loop(self) -> None:
        wait = FIRST_WAIT
        while True:
            self._due.clear()
            for each in pending(self._root):
                self._attempt(each)
            if any(pending(self._root)):
                self._due.wait(wait)
                wait = min(LONGEST_WAIT, FACTOR * wait)
                continue
            wait = FIRST_WAIT
            if self._due.is_set() and not self._leaving.is_set():
                continue
            self._empty.set()
            if self._leaving.is_set():
                return
            self._due.wait()

    def _attempt(self, each: Pending) -> None:
        """Try once, unless another study's process delivers from the same records just now."""
        with suppress(Timeout, OSError), FileLock(folder_of(self._root) / "lock", timeout=0):
            if each.path.is_file():
                attempt(each, self._notify)
