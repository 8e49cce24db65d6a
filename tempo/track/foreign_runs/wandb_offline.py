"""Read offline runs of Weights & Biases: `wandb/offline-run-*/run-*.wandb`.

The format: a header, then blocks of LevelDB's log format whose records are `Record` messages of
wandb/proto/wandb_internal.proto; the numbers of fields never change there. W&B's own reader would
need the whole package, and reads this file in the same way.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tempo.core.config_diff import flatten
from tempo.core.errors import MissingError, RecordError
from tempo.records.files import LARGE, read_bytes
from tempo.track.foreign_runs.protobuf_wire import Message
from tempo.track.foreign_runs.stored_run import StoredRun, told_apart

MARK = b":W&B"
HEADER = 7
BLOCK, HEAD = 32768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
HISTORY, SUMMARY, CONFIG, RUN, EXIT = 2, 3, 5, 17, 18
ID, PROJECT, OF_RUN, GROUP, NAME, START = 1, 3, 4, 6, 8, 17
"""Fields of RunRecord."""
ITEM, KEY, NESTED = 1, 1, 2
BOOLEAN, INTEGER, NUMBER, TEXT, TYPED_JSON, JSON = 4, 5, 6, 7, 8, 16
"""Fields of an item: older versions write JSON alone."""
OWN = ("_", "system/", "gradients/", "parameters/")
"""How keys begin that W&B adds by itself."""


def is_wandb(path: Path) -> bool:
    """Whether a folder holds runs of W&B, or a file is one."""
    if path.is_file():
        return path.suffix == ".wandb"
    return next(path.rglob("run-*.wandb"), None) is not None


def read_wandb(path: Path) -> list[StoredRun]:
    """Return each run below `path`, oldest first; the same run in several files once, the fullest.

    Raises:
        MissingError: when there is none.
        RecordError: when a file is damaged before its end; what a killed writer left is passed
            over.
    """
    files = [path] if path.is_file() else sorted(path.rglob("run-*.wandb"))
    if not files:
        raise MissingError(f"there are no runs of W&B (run-*.wandb) below {path}")
    found: dict[str, StoredRun] = {}
    for file in files:
        run = _Run(file).stored()
        known = found.get(run.id)
        if known is None or _points(run) >= _points(known):
            found[run.id] = run
    return sorted(found.values(), key=lambda run: (run.started, run.id))


def _points(run: StoredRun) -> int:
    return sum(len(points) for points in run.history.values())


class _Run:
    """What one file holds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._head = Message(b"")
        self._config: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}
        self._history: dict[str, list[tuple[int, float, float]]] = {}
        self._exit: int | None = None
        self._time = 0.0
        try:
            for content in records(file):
                self._record(Message(content))
        except ValueError as error:
            raise RecordError(f"{file} holds a damaged record: {error}") from error

    def stored(self) -> StoredRun:
        run_id = self._head.text(ID) or self._file.stem.removeprefix("run-")
        begun = self._head.message(START)
        started = begun.whole(1) + begun.whole(2) / 1e9 if begun.has(1) else self._time
        history = {name: tuple(points) for name, points in self._history.items()}
        last = max((points[-1][0] for points in history.values()), default=0)
        ended = max(self._time, started)
        for name, value in self._summary.items():
            if name not in history:
                history[name] = ((last, ended, value),)
        status = {None: "RUNNING", 0: "FINISHED"}.get(self._exit, "FAILED")
        group, name = self._head.text(GROUP), self._head.text(NAME) or run_id
        params = {key: _text(value) for key, value in flatten(self._config).items()}
        return StoredRun(
            id=f"wandb:{self._head.text(PROJECT)}/{run_id}",
            name=name,
            experiment=self._head.text(PROJECT) or "wandb",
            status=status,
            started=started,
            ended=None if self._exit is None else ended,
            params=told_apart(params, group or name),
            tags={"variant": group} if group else {},
            history=history,
        )

    def _record(self, record: Message) -> None:
        if record.has(RUN):
            self._head = record.message(RUN)
            for item in self._head.message(OF_RUN).all(1):
                self._configure(item)
        if record.has(CONFIG):
            for item in record.message(CONFIG).all(1):
                self._configure(item)
        if record.has(SUMMARY):
            for item in record.message(SUMMARY).all(1):
                self._summarise(*_item(item))
        if record.has(HISTORY):
            self._points(record.message(HISTORY))
        if record.has(EXIT):
            self._exit = record.message(EXIT).whole(1)

    def _configure(self, item: Message) -> None:
        name, value = _item(item)
        if not name.startswith("_"):
            self._config[name] = value

    def _summarise(self, name: str, value: Any) -> None:
        for key, number in flatten(value, name).items():
            measured = _measured(number)
            if measured is not None and not key.startswith(OWN):
                self._summary[key.replace(".", "/")] = measured

    def _points(self, history: Message) -> None:
        values = dict(_item(item) for item in history.all(ITEM))
        step = history.message(2).whole(1) if history.has(2) else values.get("_step")
        time = values.get("_timestamp")
        if isinstance(time, int | float):
            self._time = float(time)
        place = int(step) if isinstance(step, int | float) else 0
        for path, value in flatten(values).items():
            name = path.replace(".", "/")
            measured = _measured(value)
            if measured is not None and not name.startswith(OWN):
                point = (max(0, place), self._time, measured)
                self._history.setdefault(name, []).append(point)


def _item(item: Message) -> tuple[str, Any]:
    """A key, whole or in parts, with the value of its JSON; what is no JSON counts as missing."""
    name = item.text(KEY) or "/".join(
        part.decode("utf-8", "replace") for part in item.all_bytes(NESTED)
    )
    if item.has(NUMBER):
        return name, item.real(NUMBER)
    if item.has(INTEGER) or item.has(BOOLEAN):
        return name, item.whole(INTEGER) if item.has(INTEGER) else bool(item.whole(BOOLEAN))
    if item.has(TEXT):
        return name, item.text(TEXT)
    try:
        value = json.loads(item.text(TYPED_JSON if item.has(TYPED_JSON) else JSON))
    except (ValueError, RecursionError):
        value = None
    return name, value


def _measured(value: Any) -> float | None:
    """A number, also one that JSON has no other form for; None for what is none."""
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        return float(value.replace("Infinity", "inf"))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def records(file: Path) -> Iterator[bytes]:
    """Yield the records of a file in LevelDB's log format.

    Raises:
        RecordError: when it is none, or a checksum does not fit before the end of the file.
    """
    content = read_bytes(file, LARGE)
    if not content.startswith(MARK):
        raise RecordError(f"{file} is no run of W&B: it does not begin with {MARK.decode()}")
    place, parts = HEADER, b""
    while place + HEAD <= len(content):
        left = BLOCK - place % BLOCK
        if left < HEAD:
            place += left
            continue
        check = int.from_bytes(content[place : place + 4], "little")
        size = int.from_bytes(content[place + 4 : place + 6], "little")
        kind = content[place + 6]
        data = content[place + HEAD : place + HEAD + size]
        if kind == 0 and size == 0:
            place += left
            continue
        if len(data) < size:
            return
        if kind not in {FULL, FIRST, MIDDLE, LAST} or not _fits(kind, data, check):
            raise RecordError(f"{file} is damaged at byte {place}: its checksum does not fit")
        parts = data if kind in {FULL, FIRST} else parts + data
        if kind in {FULL, LAST}:
            yield parts
        place += HEAD + size


def _fits(kind: int, data: bytes, check: int) -> bool:
    """W&B uses the CRC-32 of zlib, where LevelDB has CRC-32C."""
    return zlib.crc32(data, zlib.crc32(bytes([kind]))) & 0xFFFFFFFF == check
