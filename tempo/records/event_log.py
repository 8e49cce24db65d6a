"""Append to, read and follow a run's `events.jsonl`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from tempo.core.errors import RecordError
from tempo.core.records import RunStatus
from tempo.records.events import (
    AttemptStarted,
    Claimed,
    Event,
    Finished,
    Logged,
    Trained,
    Validated,
    from_json,
    to_json,
)
from tempo.records.files import LARGE, MIB, is_there, open_file, take_format
from tempo.records.json_text import parse_json

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


@dataclass(slots=True)
class Progress:
    """How far a run is, from the events read so far. Steps and times are of the last attempt.

    `curve` holds the metrics of each validation that counts, by step; `environment` is where the
    last attempt runs; `broken_off` counts earlier attempts that did not say how they ended.
    """

    attempt: int = 0
    step: int = 0
    total: int = 0
    started: float = 0.0
    first_step: int = 0
    updated: float = 0.0
    finish: Finished | None = None
    curve: dict[int, Mapping[str, float]] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    broken_off: int = 0

    def take(self, logged: Logged) -> None:
        if logged.attempt < self.attempt:
            # Fencing: written by a process that was taken for dead, after a newer attempt began.
            return
        event: Event = logged.event
        if 0 < self.attempt < logged.attempt and self.finish is None:
            self.broken_off += 1
        self.attempt, self.updated = logged.attempt, logged.time
        if isinstance(event, Claimed):
            self.started, self.finish = logged.time, None
            self.first_step = self.step
        elif isinstance(event, AttemptStarted):
            self.started, self.finish = logged.time, None
            self.step = self.first_step = event.resumed_step
            self.total, self.environment = event.total_steps, event.environment
            self.curve = {step: v for step, v in self.curve.items() if step <= self.step}
        elif isinstance(event, Trained):
            self.step = event.step
        elif isinstance(event, Validated):
            self.step = event.step
            self.curve[event.step] = event.values
        elif isinstance(event, Finished):
            self.finish = event

    @property
    def psnr(self) -> float | None:
        """Of the last validation that counts."""
        return self.curve[max(self.curve)].get("psnr") if self.curve else None

    @property
    def rate(self) -> float | None:
        """Steps per second of this attempt so far; None before the first step was reported."""
        done, took = self.step - self.first_step, self.updated - self.started
        return done / took if done > 0 and took > 0 else None


BETWEEN = ("train", "image", "checkpoint", "model", "evaluation", "note")
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
        validations only the last is looked at, so that long logs are read quickly."""
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


def is_complete(folder: Path) -> bool:
    """Whether a run's folder holds a finished result.

    Raises:
        RecordError: when its events cannot be read.
    """
    tail = Tail(folder)
    tail.catch_up()
    finish = tail.progress.finish
    return finish is not None and finish.status == RunStatus.COMPLETE


def has_readable_result(folder: Path) -> bool:
    """Whether a run's folder holds a finished result and its record is sound."""
    try:
        return is_complete(folder)
    except RecordError:
        return False
