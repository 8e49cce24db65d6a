"""Decoded pictures on disk: a folder with one memory-mapped array and a JSON index of its clips.

A shard is either there and whole or not there: it is written beside its place and renamed. Its
name says what is in it, so an existing shard is never written again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from tempo.core.errors import RecordError
from tempo.data.clips import Pixels

FRAMES, INDEX = "frames.npy", "index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One clip of a shard: `inputs` and `targets` are positions in the shard's pictures.

    A clip with several targets (training at any time) has one time in `target_times` for each.
    """

    id: str
    source: str
    inputs: tuple[int, ...]
    times: tuple[float, ...]
    targets: tuple[int, ...]
    target_times: tuple[float, ...]
    motion: float | None = None
    occlusion: float | None = None


class ShardWriter:
    """Streams pictures of one size into an .npy file, so memory does not grow with their number."""

    def __init__(self, folder: Path, size: tuple[int, int], told: Callable[[], None]) -> None:
        folder.mkdir(parents=True)
        self._folder, self._picture, self._told = folder, (*size, 3), told
        self._file: BinaryIO = (folder / FRAMES).open("wb")
        self._pictures = 0
        self._entries: list[Entry] = []
        self.counts: dict[str, int] = {}
        self.skipped: list[str] = []
        self.notes: list[str] = []
        self._write_header()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _write_header(self) -> None:
        # NumPy pads its header so that the first axis can grow without moving the data.
        self._file.seek(0)
        shape = (self._pictures, *self._picture)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def picture(self, pixels: Pixels) -> int:
        """Append one uint8 [H, W, 3] picture and return its position."""
        if pixels.shape != self._picture or pixels.dtype != np.uint8:
            raise ValueError(
                f"a picture here is uint8 {list(self._picture)}, "
                f"not {pixels.dtype} {list(pixels.shape)}"
            )
        self._file.write(np.ascontiguousarray(pixels).data)
        self._pictures += 1
        return self._pictures - 1

    def clip(self, entry: Entry) -> None:
        """Add a clip whose pictures were appended before."""
        self._entries.append(entry)
        self._told()

    def count(self, what: str, by: int = 1) -> None:
        """Count something worth reporting, such as triplets skipped at a cut."""
        self.counts[what] = self.counts.get(what, 0) + by

    def skip(self, clip: str, note: str) -> None:
        """Leave out a clip that could not be read; which ones is part of the split's digest."""
        self.count("unreadable clips")
        self.skipped.append(clip)
        self.notes.append(note)

    def finish(self) -> None:
        """Write the final header and the index, and flush both to disk."""
        self._write_header()
        self._file.flush()
        os.fsync(self._file.fileno())
        index = {
            "pictures": self._pictures,
            "clips": [asdict(entry) for entry in self._entries],
            "counts": self.counts,
            "skipped": self.skipped,
            "notes": self.notes,
        }
        with (self._folder / INDEX).open("w") as file:
            json.dump(index, file, separators=(",", ":"), allow_nan=False)
            file.flush()
            os.fsync(file.fileno())


def write_shard(
    folder: Path,
    size: tuple[int, int],
    fill: Callable[[ShardWriter], None],
    told: Callable[[], None] = lambda: None,
) -> None:
    """Let `fill` write a shard for pictures of `size`, then move it to `folder` in one step.

    Nothing happens when `folder` exists: a shard's name stands for its content. `told` is called
    after each clip. One process at a time may write to the folder around.
    """
    if folder.exists():
        return
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with ShardWriter(temporary, size, told) as writer:
            fill(writer)
            writer.finish()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class Shard:
    """A shard opened for reading. Pixels stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        try:
            index = json.loads((folder / INDEX).read_text())
            self._pixels: Pixels = np.load(folder / FRAMES, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise RecordError(
                f"the cached pictures in {folder} cannot be read ({error}); "
                "delete that folder and they are made again"
            ) from error
        self.folder = folder
        self.entries: Sequence[Entry] = tuple(_entry(fields) for fields in index["clips"])
        self.counts: Mapping[str, int] = index["counts"]
        self.skipped: Sequence[str] = index["skipped"]
        self.notes: Sequence[str] = index["notes"]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every picture."""
        return self._pixels.shape[1], self._pixels.shape[2]

    @property
    def pixels(self) -> Pixels:
        """uint8 [pictures, H, W, 3], memory-mapped and read-only."""
        return self._pixels


def _entry(fields: dict[str, Any]) -> Entry:
    lists = {key: tuple(fields[key]) for key in ("inputs", "times", "targets", "target_times")}
    return Entry(**{**fields, **lists})
