"""Write and read shards: folders of decoded pictures, memory-mapped, with an index of their clips.

A shard holds:

    frames.npy      uint8 [pictures, H, W, 3]
    clips.jsonl     one clip a line
    offsets.npy     uint64 [clips + 1]: where each line begins
    index.json      format, counts, what was skipped, notes
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, overload

import numpy as np
import numpy.typing as npt

from tempo.core.errors import RecordError
from tempo.data.clips import Pixels

# Protocol: a shard is written under a temporary name and renamed, so that it exists whole or not at
# all. Its name is a hash of all that decides its content, so an existing shard is never rewritten.

FORMAT = 2
"""Version of this layout. It is part of a cache's path, so another version is never read."""

FRAMES, CLIPS, OFFSETS, INDEX = "frames.npy", "clips.jsonl", "offsets.npy", "index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Describe one clip of a shard: `inputs` and `targets` are positions in the shard's pictures.

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
    """Stream pictures of one size into an .npy file, in memory that does not grow with them."""

    def __init__(self, folder: Path, size: tuple[int, int], told: Callable[[], None]) -> None:
        folder.mkdir(parents=True)
        self._folder, self._picture, self._told = folder, (*size, 3), told
        self._frames: BinaryIO = (folder / FRAMES).open("wb")
        self._clips: BinaryIO = (folder / CLIPS).open("wb")
        self._pictures = 0
        self._offsets = [0]
        self.counts: dict[str, int] = {}
        self.skipped: list[str] = []
        self.notes: list[str] = []
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._frames.close()
        self._clips.close()

    def _write_header(self) -> None:
        # NumPy pads its header so that the first axis can grow without moving the data.
        self._frames.seek(0)
        shape = (self._pictures, *self._picture)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._frames, header)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every picture."""
        return self._picture[0], self._picture[1]

    def picture(self, pixels: Pixels) -> int:
        """Append one uint8 [H, W, 3] picture and return its position."""
        if pixels.shape != self._picture or pixels.dtype != np.uint8:
            raise ValueError(
                f"a picture here is uint8 {list(self._picture)}, "
                f"not {pixels.dtype} {list(pixels.shape)}"
            )
        self._frames.write(np.ascontiguousarray(pixels).data)
        self._pictures += 1
        return self._pictures - 1

    def clip(self, entry: Entry) -> None:
        """Append a clip whose pictures were appended before."""
        text = json.dumps(asdict(entry), separators=(",", ":"), allow_nan=False) + "\n"
        self._offsets.append(self._offsets[-1] + self._clips.write(text.encode()))
        self._told()

    def count(self, what: str, by: int = 1) -> None:
        """Count a case to report, such as a triplet skipped at a cut."""
        self.counts[what] = self.counts.get(what, 0) + by

    def skip(self, clip: str, note: str) -> None:
        """Record a clip left out as unreadable; the split's digest depends on which ones."""
        self.count("unreadable clips")
        self.skipped.append(clip)
        self.notes.append(note)

    def finish(self) -> None:
        """Write the final header and the index, and flush all to disk."""
        self._write_header()
        for file in (self._frames, self._clips):
            file.flush()
            os.fsync(file.fileno())
        np.save(self._folder / OFFSETS, np.array(self._offsets, np.uint64))
        index = {
            "format": FORMAT,
            "pictures": self._pictures,
            "clips": len(self._offsets) - 1,
            "counts": self.counts,
            "skipped": self.skipped,
            "notes": self.notes,
        }
        with (self._folder / INDEX).open("w") as text:
            json.dump(index, text, separators=(",", ":"), allow_nan=False)
            text.flush()
            os.fsync(text.fileno())


def write_shard(
    folder: Path,
    size: tuple[int, int],
    fill: Callable[[ShardWriter], None],
    told: Callable[[], None] = lambda: None,
) -> None:
    """Write a shard by `fill` for pictures of `size`, then rename it to `folder` in one step.

    Nothing happens when `folder` exists. `told` is called
    after each clip. One process at a time may write this shard.
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


class Entries(Sequence[Entry]):
    """Read the clips of a shard from its file, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._offsets: npt.NDArray[np.uint64] = np.load(folder / OFFSETS, mmap_mode="r")
        self._lines = _mapped(folder / CLIPS)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(f"the shard has {len(self)} clips, no clip {place}")
        return _entry(json.loads(self._lines[slice(*map(int, self._offsets[number : number + 2]))]))

    def __iter__(self) -> Iterator[Entry]:
        return (self[place] for place in range(len(self)))


class Shard:
    """Read a shard; pixels stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text())
            self._pixels: Pixels = np.load(folder / FRAMES, mmap_mode="r")
            self.entries: Sequence[Entry] = Entries(folder)
        except (OSError, ValueError) as error:
            raise self._damaged(str(error)) from error
        if index.get("format") != FORMAT or index["clips"] != len(self.entries):
            raise self._damaged(f"format {index.get('format')}, not {FORMAT}, or clips missing")
        self.counts: Mapping[str, int] = index["counts"]
        self.skipped: Sequence[str] = index["skipped"]
        self.notes: Sequence[str] = index["notes"]

    def __reduce__(self) -> tuple[type[Shard], tuple[Path]]:
        # Sent to another process, it is opened there again; its pixels are not copied.
        return Shard, (self.folder,)

    def _damaged(self, why: str) -> RecordError:
        return RecordError(
            f"the cached pictures in {self.folder} cannot be read ({why}); "
            "delete that folder and they are made again"
        )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every picture."""
        return self._pixels.shape[1], self._pixels.shape[2]

    @property
    def pixels(self) -> Pixels:
        """uint8 [pictures, H, W, 3], memory-mapped and read-only."""
        return self._pixels

    def release(self) -> None:
        """Release the memory pages that were read; they are read again when needed."""
        held = self._pixels.base
        if isinstance(held, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            held.madvise(mmap.MADV_DONTNEED)


def _mapped(path: Path) -> mmap.mmap | bytes:
    """Return the bytes of a file. An empty file cannot be mapped."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _entry(fields: dict[str, Any]) -> Entry:
    lists = {key: tuple(fields[key]) for key in ("inputs", "times", "targets", "target_times")}
    return Entry(**{**fields, **lists})
