"""Read the clips of a published test set, decoded on access, and describe its protocol.

Numbers of different protocols are never ranked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.clips import Clip, Pixels
from tempo.data.fingerprints import Fingerprints
from tempo.data.testsets.subsets import Subset, read_subset
from tempo.data.testsets.transforms import TRANSFORMS, TransformName
from tempo.data.video_io.picture_files import read_picture
from tempo.spec.options import Options

SHARED: dict[str, Any] = {
    "colour_space": "RGB as stored, gamma-encoded",
    "data_range": 1.0,
    "prediction": "clamped to [0, 1]; rounded to 8 bit (halves to even) where a metric says so",
    "padding": "replicate to what the network needs, removed before the metrics",
    "tiling": "none",
    "test_time_augmentation": "none",
    "aggregation": "mean over clips of the value of each clip",
}
"""What all of Tempo's evaluations have in common, unless the evaluator overrides a field."""


def protocol(
    options: Options, split: str, digest: str, size: tuple[int, int] | None
) -> dict[str, Any]:
    """Return the protocol of an evaluation, to be hashed by `tempo.core.identity.short_hash`.

    `digest` is the split's; `size` its pictures' (height, width), None when they differ.
    """
    return _split(options.kind, split, digest, size) | SHARED


def _split(name: str, split: str, digest: str, size: tuple[int, int] | None) -> dict[str, Any]:
    return {
        "data_set": name,
        "split": split,
        "split_digest": digest,
        "size": list(size) if size else "as stored",
    }


Rounding = Literal["8 bit", "none", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Describe a test set before its files are read.

    `folder` is its usual place below the folder of all data sets; `expected` the number of clips
    it was published with, `stored` the (height, width) of its files, `size` that of its clips after
    `transform`; each is None where the set leaves it open. `rounding` says whether the field's
    numbers on it round predictions to 8 bit first (quote `psnr_uint8`) or not (quote `psnr`).
    `consecutive` tells that targets of one source follow each other in time, so that flicker can
    be measured. `reference` names who defined it, `help` how to get it and what the root is.
    `find` returns the clips below a root.
    """

    name: str
    title: str
    folder: str
    expected: int | None = None
    stored: tuple[int, int] | None = None
    size: tuple[int, int] | None = None
    inputs: str
    transform: TransformName = "none"
    rounding: Rounding
    consecutive: bool = False
    reference: str
    help: str
    find: Callable[[Facts, Path], list[Item]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Name the files of one clip of a test set.

    Neighbouring items of one `sequence` have targets that follow each other in time; it is None
    where a set has single clips.
    """

    id: str
    source: str
    inputs: tuple[Path, ...]
    times: tuple[float, ...] = (0.0, 1.0)
    target: Path
    target_time: float = 0.5
    sequence: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The pictures that are shown, and the one that is asked for."""
        return (*self.inputs, self.target)


def triplets(frames: Sequence[Path]) -> Iterator[tuple[Path, Path, Path]]:
    """Yield every two even frames with the odd one between them.

    A last odd frame is left out, as in published counts: there is no frame after it.
    """
    return zip(frames[0::2], frames[1::2], frames[2::2], strict=False)


class TestSet:
    """Read the clips of a test set in their published order: `len`, `[i]`, iteration.

    Only `KEPT` decoded pictures are held at a time, enough for the frames that neighbouring clips
    share: about 110 MB at 4096x2160. Reading a clip raises MissingError with the file's name and
    what is wrong with it. The hashes that the digest needs are kept in `cache`.
    """

    __test__ = False
    KEPT = 4

    def __init__(
        self,
        facts: Facts,
        root: Path,
        items: Sequence[Item],
        *,
        notes: Sequence[str] = (),
        cache: Path | None = None,
        subset: Subset | None = None,
    ) -> None:
        if not items:
            raise MissingError(f"{facts.title}: no clip under {root}; {facts.help}")
        self.facts, self.root = facts, root
        self.items: tuple[Item, ...] = tuple(items)
        self._notes = tuple(notes)
        self._cache, self._subset = cache, subset
        self._pictures: OrderedDict[Path, Pixels] = OrderedDict()

    @property
    def name(self) -> str:
        """The name that `open_test_set` takes, and that of the list for a subset."""
        return f"{self.facts.name}.{self._subset.name}" if self._subset else self.facts.name

    @property
    def expected(self) -> int | None:
        """The number of clips it was published with, or None where any number is right."""
        return self.facts.expected

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that qualify the numbers, such as missing clips."""
        if self.expected in (None, len(self)):
            return self._notes
        text = f"{len(self)} clips where {self.expected} were published: do not quote its numbers"
        return (*self._notes, f"{self.facts.title}: {text}")

    @cached_property
    def digest(self) -> str:
        """The hash of the clips, their times, and the content of their pictures as it is now.

        All content counts where the pictures are few (`tempo.data.fingerprints.SMALL`), else size,
        beginning, middle and end of each file.
        """
        files = list(dict.fromkeys(file for item in self.items for file in item.files))
        hashes = Fingerprints(self._cache).contents_of(files)
        contents = dict(zip(files, hashes, strict=True))
        asked = [
            [item.id, item.times, item.target_time, [contents[file] for file in item.files]]
            for item in self.items
        ]
        return short_hash([self.facts.transform, asked], 16)

    @property
    def protocol(self) -> dict[str, Any]:
        """The evaluation protocol as JSON values, to be hashed by `core.identity.short_hash`."""
        facts = self.facts
        laid_down = {
            "inputs": facts.inputs,
            "transform": TRANSFORMS[facts.transform].meaning,
            "rounding": facts.rounding,
        }
        listed = self._subset.protocol if self._subset else {}
        return _split(facts.name, "test", self.digest, facts.size) | listed | laid_down | SHARED

    def sequences(self) -> list[range]:
        """Return the stretches of at least two clips whose targets follow each other in time."""
        starts = [
            place
            for place, item in enumerate(self.items)
            if not place or item.sequence is None or item.sequence != self.items[place - 1].sequence
        ]
        stretches = map(range, starts, [*starts[1:], len(self)])
        return [stretch for stretch in stretches if len(stretch) > 1]

    def clip_id(self, index: int) -> str:
        """Return the id of a clip, without reading it."""
        return self.items[index].id

    def without(self, ids: Collection[str], note: str) -> TestSet:
        """Return the set without some clips, with a note that says so."""
        left = [item for item in self.items if item.id not in ids]
        notes = (*self._notes, note)
        return TestSet(
            self.facts, self.root, left, notes=notes, cache=self._cache, subset=self._subset
        )

    def subset(self, path: Path) -> TestSet:
        """Return the clips that a list names, in the order of the set.

        Raises:
            MissingError: when the list cannot be read, or names a clip that the set does not have.
        """
        chosen = read_subset(path, [item.id for item in self.items], self.facts.title)
        kept = [item for item in self.items if item.id in chosen.clips]
        facts = replace(self.facts, expected=None)
        return TestSet(facts, self.root, kept, notes=self.notes, cache=self._cache, subset=chosen)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Clip]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Clip:
        item = self.items[index]
        target = self._picture(item.target)
        frames = [self._picture(file) for file in item.inputs]
        odd = next((f for f, each in zip(item.inputs, frames, strict=True)
                    if each.shape != target.shape), None)  # fmt: skip
        if odd is not None:
            raise MissingError(f"{self.facts.title}: {odd} and {item.target} differ in size")
        return Clip(
            id=item.id,
            source=item.source,
            frames=np.stack(frames),
            times=item.times,
            target=target,
            target_time=item.target_time,
            motion=None,
            occlusion=None,
        )

    def _picture(self, path: Path) -> Pixels:
        pixels = self._pictures.pop(path, None)
        if pixels is None:
            stored = read_picture(path, self.facts.title, self.facts.stored)
            pixels = TRANSFORMS[self.facts.transform].apply(stored)
            if self.facts.size not in (None, pixels.shape[:2]):
                asked = TRANSFORMS[self.facts.transform].meaning
                raise MissingError(
                    f"{self.facts.title}: {path} is {stored.shape[1]}x{stored.shape[0]}, of which "
                    f"no {asked} can be taken"
                )
            pixels.flags.writeable = False
        self._pictures[path] = pixels
        if len(self._pictures) > self.KEPT:
            self._pictures.popitem(last=False)
        return pixels
