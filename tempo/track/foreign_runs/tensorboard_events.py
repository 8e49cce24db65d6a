"""Read TensorBoard's event files: scalars, and hyperparameters where they were logged.

A run is a folder with event files, as TensorBoard itself has it; several files of a folder are one
run. The format: TFRecord frames (length, its checksum, data, its checksum) of `Event` messages of
tensorflow/core/util/event.proto, whose field numbers never change.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from tempo.core.errors import MissingError, RecordError
from tempo.core.identity import short_hash
from tempo.records.files import LARGE, read_bytes
from tempo.track.foreign_runs.checksums import masked_crc32c
from tempo.track.foreign_runs.protobuf_wire import Message
from tempo.track.foreign_runs.stored_run import StoredRun, told_apart

PATTERN = "events.out.tfevents.*"
WALL_TIME, STEP, SUMMARY = 1, 2, 5
VALUE, TAG, SIMPLE, TENSOR, METADATA = 1, 1, 2, 8, 9
FLOAT, DOUBLE = 1, 2
HPARAMS = "hparams"
HEAD = 12
"""Bytes of a frame before its data: the length, and that length's checksum."""

CHECKED = 1 << 16
"""Bytes of a frame up to which its data are checked: scalars take a hundred, and the checksum of a
picture takes a second of Python each 2 MB. The length of every frame is checked."""

Points = list[tuple[int, float, float]]


def is_tensorboard(path: Path) -> bool:
    """Whether a folder holds event files, or a file is one."""
    if path.is_file():
        return path.name.startswith("events.out.tfevents.")
    return next(path.rglob(PATTERN), None) is not None


def read_tensorboard(path: Path) -> list[StoredRun]:
    """Return a run for each folder below `path` that holds scalars.

    Hyperparameters are those of `add_hparams`, also where it wrote them into a folder of their own
    below the run's; `seed` among them is the seed.

    Raises:
        MissingError: when there are no event files.
        RecordError: when one is damaged before its last frame; a last frame that was cut off is a
            writer's that was killed, and left out.
    """
    files = [path] if path.is_file() else sorted(path.rglob(PATTERN))
    if not files:
        raise MissingError(f"there are no event files ({PATTERN}) below {path}")
    folders: dict[Path, list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file)
    root = path.parent if path.is_file() else path
    read = {folder: _Folder(folder, each) for folder, each in folders.items()}
    # `add_hparams` of torch writes a folder below the run's for each call: part of that run.
    for folder in sorted(read, key=lambda each: len(each.parts), reverse=True):
        if folder.parent in read and read[folder].params:
            read[folder.parent].take(read.pop(folder))
    return [each.run(root) for each in read.values() if each.history]


class _Folder:
    """What the event files of one folder hold."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self.folder = folder
        self.history: dict[str, Points] = {}
        self.params: dict[str, str] = {}
        self._failed = False
        self._started, self._ended = math.inf, 0.0
        for file in files:
            for content in frames(file):
                self._event(content, file)

    def take(self, other: _Folder) -> None:
        """Add what a folder of hyperparameters below this one holds."""
        self.params |= other.params
        for name, points in other.history.items():
            self.history.setdefault(name, points)

    def run(self, root: Path) -> StoredRun:
        name = self.folder.relative_to(root).as_posix()
        name = name if name != "." else self.folder.name or "run"
        history = {
            key: tuple(sorted(points, key=lambda point: point[:2]))
            for key, points in self.history.items()
        }
        return StoredRun(
            id=short_hash(["tensorboard", str(self.folder.resolve())], 32),
            name=name.replace("/", " "),
            experiment=root.resolve().name,
            status="FAILED" if self._failed else "FINISHED",
            started=self._started if math.isfinite(self._started) else 0.0,
            ended=self._ended,
            params=told_apart(self.params, name),
            tags={},
            history=history,
        )

    def _event(self, content: bytes, file: Path) -> None:
        try:
            event = Message(content)
            time = max(0.0, event.real(WALL_TIME) or 0.0)
            for value in event.message(SUMMARY).all(VALUE):
                self._value(value, event.whole(STEP), time)
        except ValueError as error:
            raise RecordError(f"{file} holds a damaged event: {error}") from error
        self._started, self._ended = min(self._started, time), max(self._ended, time)

    def _value(self, value: Message, step: int, time: float) -> None:
        metadata = value.message(METADATA).message(1)
        if metadata.text(1) == HPARAMS:
            self._hparams(metadata.message(2))
            return
        number = value.real(SIMPLE) if value.has(SIMPLE) else _scalar(value.message(TENSOR))
        if number is not None:
            self.history.setdefault(value.text(TAG), []).append((max(0, step), time, number))

    def _hparams(self, data: Message) -> None:
        """Fields of tensorboard/plugins/hparams/plugin_data.proto: 3 begins, 4 ends a session."""
        for entry in data.message(3).all(1):
            self.params[entry.text(1)] = _plain_value(entry.message(2))
        # Status of the end: 1 success, 2 failure.
        self._failed |= data.message(4).whole(1) == 2


def _scalar(tensor: Message) -> float | None:
    """The number in a TensorProto of one element; None for pictures, histograms and texts."""
    kind = tensor.whole(1)
    if kind not in {FLOAT, DOUBLE}:
        return None
    code = "f" if kind == FLOAT else "d"
    packed = b"".join(tensor.all_bytes(4))
    if packed:
        size = struct.calcsize(code)
        return float(struct.unpack(f"<{code}", packed)[0]) if len(packed) == size else None
    found = tensor.reals(5 if kind == FLOAT else 6, code)
    return found[0] if len(found) == 1 else None


def _plain_value(value: Message) -> str:
    """A google.protobuf.Value as text."""
    if value.has(3):
        return value.text(3)
    if value.has(4):
        return str(bool(value.whole(4))).lower()
    number = value.real(2)
    if number is None:
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def frames(file: Path) -> Iterator[bytes]:
    """Yield the data of each frame of a TFRecord file.

    Raises:
        RecordError: when a checksum does not fit; of large frames only that of the length is asked.
    """
    content = read_bytes(file, LARGE)
    place = 0
    while place + HEAD <= len(content):
        (size, check) = struct.unpack_from("<QI", content, place)
        if masked_crc32c(content[place : place + 8]) != check:
            raise RecordError(f"{file} is damaged at byte {place}: its checksum does not fit")
        begin, end = place + HEAD, place + HEAD + size
        if end + 4 > len(content):
            return
        (check,) = struct.unpack_from("<I", content, end)
        if size <= CHECKED and masked_crc32c(content[begin:end]) != check:
            raise RecordError(f"{file} is damaged at byte {place}: its checksum does not fit")
        yield content[begin:end]
        place = end + 4
