"""Append to, read and follow a run's `events.jsonl`."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from tempo.core.errors import RecordError
from tempo.core.records import RunStatus
from tempo.records.events import Event, Logged, from_json, to_json
from tempo.records.files import LARGE, MIB, is_there, open_file, take_format
from tempo.records.json_text import parse_json
from tempo.records.memory.derived_values import Source
from tempo.records.memory.kept_progress import from_bytes, to_bytes
from tempo.records.progress import Progress

NAME = "events.jsonl"

LONGEST_LINE = 64 * MIB
"""Most bytes of one event: the result of a hundred thousand clips takes less."""


class EventLog(AbstractContextManager["EventLog"]):
    """The writer of one attempt. Each event is one `write` of one whole line.

    A line that an earlier attempt left unfinished (killed in mid-write) is cut off first.
    """

    def __init__(self, folder: Path, attempt: int) -> None:
        self.attempt = attempt
        path = folder / NAME
        _cut_unfinished(path)  # Asks what is there: to open a named pipe would wait for ever.
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Write an event; `durable` waits until it is on the disk.

        Raises:
            OSError: when the disk is full. What it took of the line is removed, so that a shorter
                line can follow.
        """
        line = to_json(Logged(time=time.time(), attempt=self.attempt, event=event))
        content = (json.dumps(line, separators=(",", ":")) + "\n").encode()
        written = os.write(self._file, content)
        if written < len(content):
            os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR) - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), NAME)
        if durable:
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def __exit__(self, *error: object) -> None:
        self.close()


def _cut_unfinished(path: Path) -> None:
    if not is_there(path):
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
    if not is_there(path):
        return
    with open_file(path, LARGE) as file:
        file.seek(offset)
        skipped = tuple(f'{{"kind":"{kind}",'.encode() for kind in without)
        for line in _lines(file):
            if not line.endswith(b"\n"):
                if len(line) > LONGEST_LINE:
                    raise _no_event(path, offset, f"its line is longer than {LONGEST_LINE:,} bytes")
                return
            if skipped and line.startswith(skipped):
                offset += len(line)
                continue
            try:
                value = take_format(parse_json(line), path)
                logged = from_json(value, offset + len(line))
            except ValueError as error:
                raise _no_event(path, offset, str(error)) from error
            offset = logged.end
            if logged.attempt >= newest:
                newest = logged.attempt
                yield logged


def _lines(file: BinaryIO) -> Iterable[bytes]:
    """Return the lines from where a file stands; what is longer than a line may be comes as one."""
    if os.fstat(file.fileno()).st_size <= LONGEST_LINE:
        return file
    return iter(lambda: file.readline(LONGEST_LINE + 1), b"")


def _no_event(path: Path, offset: int, why: str) -> RecordError:
    return RecordError(f"{path}: what begins at byte {offset} is no event: {why}")


def last_attempt(folder: Path) -> int:
    """Return the number of the newest attempt; 0 when there was none."""
    return max((logged.attempt for logged in read_events(folder)), default=0)


TAIL_BYTES = 1 << 16
"""More than the last lines of a log take, a traceback included."""


BETWEEN = ("train", "image", "model", "evaluation", "note")
"""Kinds of event that tell nothing of how far a run is that later ones do not tell."""


def _last_trained(folder: Path, offset: int) -> Logged | None:
    """Return the last complete `train` event after `offset`, if it is near the end of the log."""
    path = folder / NAME
    if not is_there(path):
        return None
    with open_file(path, LARGE) as file:
        start = max(os.fstat(file.fileno()).st_size - TAIL_BYTES, offset)
        file.seek(start)
        content = file.read()
    content = content[: content.rfind(b"\n") + 1]
    begin = content.rfind(b'\n{"kind":"train",') + 1
    if not content.startswith(b'{"kind":"train",', begin):
        return None
    end = content.index(b"\n", begin)
    try:
        return from_json(parse_json(content[begin:end]), start + end + 1)
    except ValueError as error:
        raise _no_event(path, start + begin, str(error)) from error


class Tail:
    """Reads what was appended to a run's events since the last read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.progress = Progress()
        self._offset = 0

    def catch_up(self) -> None:
        """Update `progress` from a log that was not followed: of the steps between two
        validations only the last is looked at, so that long logs are read quickly.

        Of a run that ended the progress is remembered: see `remembering`.
        """
        source = Source(self.folder / NAME)
        if self._offset or not self._recalled(source):
            self._catch_up()
            if self.progress.finish is not None and self._offset == source.size:
                source.keep("progress", to_bytes(self.progress, self._offset))

    def _recalled(self, source: Source) -> bool:
        """Take the progress that is remembered of a run, if it is."""
        kept = source.recall("progress")
        if kept is None:
            return False
        try:
            progress, offset = from_bytes(kept)
        except (KeyError, TypeError, ValueError):
            return False
        if offset == source.size:
            self.progress, self._offset = progress, offset
        return offset == source.size

    def _catch_up(self) -> None:
        end, before = self._offset, replace(self.progress, curve=dict(self.progress.curve))
        trained = last = _last_trained(self.folder, self._offset)
        for logged in read_events(self.folder, self._offset, BETWEEN, self.progress.attempt):
            if trained is not None and trained.end < logged.end:
                self.progress.take(trained)
                trained = None
            self.progress.take(logged)
            end = logged.end
        if trained is not None:
            self.progress.take(trained)
            end = trained.end
        if last is not None and last.attempt < self.progress.attempt:
            # An outdated attempt wrote the last line of training, which may hide the last one that
            # counts: read every event instead.
            self.progress = before
            for _ in self.read():
                pass
        else:
            self._offset = end

    def read(self) -> Iterator[Logged]:
        """Yield the new events in order, after updating `progress` with each."""
        newest = self.progress.attempt
        for logged in read_events(self.folder, self._offset, newest=newest):
            self._offset = logged.end
            self.progress.take(logged)
            yield logged


def progress_of(folder: Path) -> Progress:
    """Return how far a run is, from a log that was not followed: see `Tail.catch_up`.

    Raises:
        RecordError: when its events cannot be read.
    """
    tail = Tail(folder)
    tail.catch_up()
    return tail.progress


def is_complete(folder: Path) -> bool:
    """Whether a run's folder holds a finished result.

    Raises:
        RecordError: when its events cannot be read.
    """
    finish = progress_of(folder).finish
    return finish is not None and finish.status == RunStatus.COMPLETE


def has_readable_result(folder: Path) -> bool:
    """Whether a run's folder holds a finished result and its record is sound."""
    try:
        return is_complete(folder)
    except RecordError:
        return False
