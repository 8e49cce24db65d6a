"""Rows of an evaluation that is under way, so that an interrupted one goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tempo.records.events import decode, encode
from tempo.train.evaluation.clip_evaluation import Row

NAME = "rows.jsonl"


@dataclass(slots=True)
class Partial:
    """What was judged so far: rows, kept pictures and clips that could not be read."""

    rows: list[Row]
    gallery: dict[int, Mapping[str, str]]
    broken: dict[int, str]

    @property
    def next(self) -> int:
        """The first clip that nothing is known of; clips are judged by rising index."""
        seen = [*(row.index for row in self.rows), *self.broken]
        return max(seen, default=-1) + 1

    def add(self, row: Row, entry: Mapping[str, str] | None) -> None:
        """Take in a clip; `entry` names its pictures if they are kept."""
        self.rows.append(row)
        if entry:
            self.gallery[row.index] = entry

    def until(self, index: int) -> Partial:
        """What is known of the clips before `index`."""
        return Partial(
            [row for row in self.rows if row.index < index],
            {at: entry for at, entry in self.gallery.items() if at < index},
            {at: why for at, why in self.broken.items() if at < index},
        )


class PartialLog:
    """The file of them. Its first line says what is evaluated; of anything else it is not read."""

    def __init__(self, folder: Path, key: str, stretches: Sequence[range]) -> None:
        self.path = folder / NAME
        self.known = self._read(key, stretches)
        folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("w") as file:
            file.write(json.dumps({"key": key}) + "\n")
        for row in self.known.rows:
            self.add(row, self.known.gallery.get(row.index))
        for index, why in self.known.broken.items():
            self.lose(index, why)

    def add(self, row: Row, gallery: Mapping[str, str] | None) -> None:
        """A clip is judged; `gallery` names its pictures if they are kept."""
        self._append({"row": asdict(row), "gallery": gallery})

    def lose(self, index: int, why: str) -> None:
        """A clip cannot be judged."""
        self._append({"broken": index, "why": why})

    @staticmethod
    def discard(folder: Path) -> None:
        """Forget what an unfinished evaluation left in `folder`."""
        (folder / NAME).unlink(missing_ok=True)

    def _append(self, value: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(encode(value)) + "\n")

    def _read(self, key: str, stretches: Sequence[range]) -> Partial:
        found = Partial([], {}, {})
        lines = self.path.read_text().splitlines() if self.path.is_file() else []
        if not lines or lines[0] != json.dumps({"key": key}):
            return found
        for line in lines[1:]:
            try:
                value = decode(json.loads(line))
            except ValueError:
                break  # the line that a killed process left unfinished
            if "row" in value:
                found.add(Row(**value["row"]), value["gallery"])
            else:
                found.broken[value["broken"]] = value["why"]
        return found.until(_start_of(found.next, stretches))


def _start_of(index: int, stretches: Sequence[range]) -> int:
    """Back to the start of the stretch that `index` breaks off: its clips look at each other."""
    return next((s.start for s in stretches if s.start < index < s.stop), index)
