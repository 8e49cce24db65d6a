"""Store what was submitted to Slurm: one folder per job array below the records.

<root>/<name>/   array.json (whose runs its tasks are), tasks, script.sh, slurm-<task>.out

A job carries its folder's name as its comment, so that any driver, on any login node, finds the
runs of the jobs that are in the queue.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.core.identity import short_hash
from tempo.core.jobs import JobSpec
from tempo.launch.launchers.slurm.commands import Row
from tempo.records.files import write_atomic, write_json

MARK = "tempo:"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A task in Slurm's queue: the run it carries out and its newest row of squeue."""

    key: str
    row: Row


def array_name(study: str, keys: Sequence[str]) -> str:
    """Return the job name: equal for equal runs, so that `singleton` lets one of them run."""
    return f"tempo-{study}-{short_hash(sorted(keys), 8)}"


class Arrays:
    """The arrays whose folders lie in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._keys: dict[str, tuple[str, ...]] = {}

    def new_folder(self, study: str) -> Path:
        """Return a folder name that no other array has; the folder is not created."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return self.root / f"{study}-{stamp}-{secrets.token_hex(3)}"

    def write(self, folder: Path, jobs: Sequence[JobSpec], tasks: bytes, script: str) -> Path:
        """Write the files of an array that is to be submitted; return the path of its script."""
        value = {"keys": [job.key for job in jobs], "logs": [str(job.log) for job in jobs]}
        write_json(folder / "array.json", value)
        write_atomic(folder / "tasks", lambda file: file.write(tasks))
        path = folder / "script.sh"
        write_atomic(path, lambda file: file.write(script.encode("utf-8", "surrogateescape")))
        return path

    def known(self, rows: Sequence[Row]) -> list[Submitted]:
        """Return the rows that are tasks of these arrays, each with its run."""
        found = []
        for row in rows:
            keys = self._keys_of(row.comment)
            if row.index.isdigit() and int(row.index) < len(keys):
                found.append(Submitted(keys[int(row.index)], row))
        return found

    def _keys_of(self, comment: str) -> tuple[str, ...]:
        """Return the runs of the array that a job's comment names; empty for foreign jobs."""
        name = comment.removeprefix(MARK)
        if name == comment or "/" in name:
            return ()
        if name not in self._keys:
            path = self.root / name / "array.json"
            # Another records folder's array: its name is remembered too, as one without runs.
            self._keys[name] = tuple(json.loads(path.read_text())["keys"]) if path.is_file() else ()
        return self._keys[name]
