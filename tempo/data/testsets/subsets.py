"""Read lists that name some clips of a test set, such as those with the largest motion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tempo.core.catalog import nearest
from tempo.core.counted import listed_up_to
from tempo.core.errors import MissingError
from tempo.core.identity import file_name, short_hash
from tempo.data.dataset_roots import read_lines

NAMED = 5
"""Clips of a list that a message names."""


@dataclass(frozen=True, slots=True)
class Subset:
    """Name the clips of a list; `name` is that of its file, without the suffix."""

    name: str
    clips: frozenset[str]

    @property
    def protocol(self) -> dict[str, str]:
        """The fields of a protocol that say which list it is, by its content."""
        return {"subset": self.name, "subset_digest": short_hash(sorted(self.clips), 16)}


def read_subset(path: Path, known: Iterable[str], title: str) -> Subset:
    """Return the list in a file: an id of a clip a line, as in the column `clip` of its table.

    Lines of three paths, as SNU-FILM's own lists have them, mean the clip of that triplet. What
    follows a `#` is a remark. The order does not count.

    Raises:
        MissingError: when it cannot be read, or names a clip that the set, called `title`, does not
            have, or one twice.
    """
    help_ = "a list of clips has one clip id a line"
    lines = (line.partition("#")[0].strip() for line in read_lines(path, title, help_))
    named = [_clip(line) for line in lines if line]
    ids = dict.fromkeys(known)
    absent = [name for name in named if name not in ids]
    if absent or not named:
        guess = nearest(absent[0], list(ids)) if absent else None
        hint = f"; did you mean {guess!r}?" if guess else ""
        told = listed_up_to(NAMED, absent) or "none is named"
        raise MissingError(
            f"{title}: {path} names clips that the set does not have, {len(absent)} of "
            f"{len(named)}: {told}{hint} (the set's first clip is {next(iter(ids))!r})"
        )
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise MissingError(f"{title}: {path} names the clip {twice!r} more than once")
    return Subset(file_name(path.stem), frozenset(named))


def _clip(line: str) -> str:
    """Return the id that a line means."""
    parts = [PurePosixPath(text) for text in line.split()]
    if len(parts) != 3:
        return line
    first, middle, last = parts
    return f"{middle.parent.name}/{first.stem}-{middle.stem}-{last.stem}"
