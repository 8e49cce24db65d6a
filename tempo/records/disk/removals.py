"""Remove files of a run, and remember which: <run>/removed.json.

Whatever misses such a file afterwards can tell that a policy let it go, and which one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tempo.core.errors import RecordError
from tempo.records.field_types import build
from tempo.records.files import FORMAT, is_there, read_object, take_format, write_json

NAME = "removed.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Files and folders that were removed together. `paths` are relative to the run's folder, with
    `/`; `policy` is what let them go, in words; `time` is in Unix seconds."""

    paths: tuple[str, ...]
    policy: str
    time: float = field(default_factory=time.time)


def read_removals(folder: Path) -> tuple[Removal, ...]:
    """Return what was removed of a run, oldest first.

    Raises:
        RecordError: when `removed.json` is damaged.
    """
    path = folder / NAME
    if not is_there(path):
        return ()
    try:
        found = take_format(read_object(path), path).get("removals")
        if not isinstance(found, list):
            raise ValueError("it has no list `removals`")  # noqa: TRY004 (of a damaged file)
        return tuple(build(Removal, each) for each in found)
    except ValueError as error:
        raise RecordError(f"{path} does not tell what was removed: {error}") from error


def removal_of(folder: Path, path: Path, removals: Iterable[Removal]) -> Removal | None:
    """Return the removal that took a file of a run; None where the file is there, or never went."""
    if path.exists() or not path.is_relative_to(folder):
        return None
    name = path.relative_to(folder).as_posix()
    return next(
        (
            removal
            for removal in removals
            if any(name == each or name.startswith(f"{each}/") for each in removal.paths)
        ),
        None,
    )


def remove(folder: Path, paths: Sequence[Path], policy: str) -> None:
    """Remove files and folders of a run. They are noted first, so that a process that is killed in
    the middle leaves none that nobody can explain.

    Raises:
        OSError: when one of them cannot be removed.
    """
    names = tuple(path.relative_to(folder).as_posix() for path in paths)
    try:
        before = read_removals(folder)
    except RecordError:
        before = ()
    # What was noted and not removed, by a process that was killed, is noted once.
    told = [each for each in before if not set(each.paths) <= set(names)]
    found = [asdict(each) for each in (*told, Removal(paths=names, policy=policy))]
    write_json(folder / NAME, {"format": FORMAT, "removals": found})
    for path in paths:
        delete(path)


def delete(path: Path) -> None:
    """Delete a file, or a folder with all that is in it; of a link never what it points at."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
