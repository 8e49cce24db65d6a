"""Append to and read a run's `events.jsonl`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tempo.core.errors import RecordError
from tempo.records.events import Event, Logged, from_json, to_json
from tempo.records.files import take_format

NAME = "events.jsonl"


class EventLog(AbstractContextManager["EventLog"]):
    """The writer of one attempt. Each event is one `write` of one whole line.

    A line that an earlier attempt left unfinished (killed in mid-write) is cut off first.
    """

    def __init__(self, folder: Path, attempt: int) -> None:
        self.attempt = attempt
        path = folder / NAME
        _cut_unfinished(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Write an event; `durable` waits until it is on the disk."""
        line = to_json(Logged(time=time.time(), attempt=self.attempt, event=event))
        os.write(self._file, (json.dumps(line, separators=(",", ":")) + "\n").encode())
        if durable:
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def __exit__(self, *error: object) -> None:
        self.close()


def _cut_unfinished(path: Path) -> None:
    if not path.is_file():
        return
    with path.open("rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def read_events(
    folder: Path, offset: int = 0, without: Collection[str] = (), newest: int = 0
) -> Iterator[Logged]:
    """Yield the events from byte `offset` on, in file order, superseded ones included.

    What an attempt writes after a newer one began, as a worker does that was frozen when another
    took its run over, never happened: such lines are passed over. `newest` is the newest attempt
    before `offset`, of which only a reader that goes on there has to think.

    Lines of a kind in `without` are skipped unparsed, which is what makes reading thousands of
    runs for their results quick. A last line without its newline is still being written and is
    left for the next read.

    Raises:
        RecordError: naming the file and the byte of a line that cannot be read.
        FormatError: when a newer version of Tempo wrote the file.
    """
    path = folder / NAME
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(offset)
        skipped = tuple(f'{{"kind":"{kind}",'.encode() for kind in without)
        for line in file:
            if not line.endswith(b"\n"):
                return
            if skipped and line.startswith(skipped):
                offset += len(line)
                continue
            try:
                value = take_format(json.loads(line.decode()), path)
                logged = from_json(value, offset + len(line))
            except (ValueError, KeyError, TypeError) as error:
                raise RecordError(f"{path}: byte {offset}: not an event ({error!r})") from error
            offset = logged.end
            if logged.attempt >= newest:
                newest = logged.attempt
                yield logged


def last_attempt(folder: Path) -> int:
    """Return the number of the newest attempt; 0 when there was none."""
    return max((logged.attempt for logged in read_events(folder)), default=0)
