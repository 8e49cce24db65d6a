"""Save, verify, load and rotate checkpoints; seed, save and restore random streams."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tempo.core.errors import RecordError
from tempo.core.seeding import stream
from tempo.records.events import CheckpointSaved, Logged
from tempo.records.files import (
    LARGE,
    attempt_of,
    inside,
    is_there,
    of_attempt,
    read_bytes,
    write_atomic,
)
from tempo.records.json_text import one_line
from tempo.records.run_record import effective

KEEP = 2
"""Newest checkpoints that stay, besides those the evaluation needs."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The folder `checkpoints` of a run: one file a step, the complete state of training.

    `attempt` is the one that saves; loading needs none.
    """

    folder: Path
    attempt: int = 0

    def path(self, step: int) -> Path:
        """Return the file that this attempt saves `step` to."""
        return of_attempt(self.folder / "checkpoints" / f"step-{step:08d}.pt", self.attempt)

    def save(self, step: int, state: dict[str, Any], *, best: bool) -> CheckpointSaved:
        """Write `state` atomically; returns the event to log once it is on the disk."""
        buffer = BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()
        write_atomic(self.path(step), lambda file: file.write(content))
        return CheckpointSaved(
            step=step,
            path=str(self.path(step).relative_to(self.folder)),
            sha256=hashlib.sha256(content).hexdigest(),
            best=best,
        )

    def load(self, saved: CheckpointSaved) -> dict[str, Any]:
        """Load the state in a checkpoint to the CPU.

        Raises:
            RecordError: when the file is absent or differs from what was written.
        """
        path = inside(self.folder, saved.path)
        if not is_there(path):
            raise RecordError(f"{path} is gone")
        content = read_bytes(path, LARGE)
        if hashlib.sha256(content).hexdigest() != saved.sha256:
            raise RecordError(f"{path} is not what was written (SHA-256 differs): it is damaged")
        return open_checkpoint(path, content)

    def rotate(self, needed: Iterable[int], newest: int = KEEP) -> None:
        """Delete all but the `newest` newest files and those of the steps `needed`."""
        keep, files = set(needed), self._files()
        for path in files[: max(0, len(files) - newest)]:
            if _step_of(path) not in keep and not path.is_dir():
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Return the files of this attempt and of earlier ones, oldest first: an attempt that was
        frozen while another took its run over must not delete newer files."""
        found = (self.folder / "checkpoints").glob("step-*.pt")
        mine = [path for path in found if attempt_of(path) <= self.attempt]
        return sorted(mine, key=lambda path: (attempt_of(path), _step_of(path)))


def open_checkpoint(path: Path, content: bytes) -> dict[str, Any]:
    """Return what a checkpoint of this content holds, on the CPU; nothing in it is executed.

    Raises:
        RecordError: when it is none.
    """
    try:
        state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises whatever the damage leads to: zip, pickle, runtime and end-of-file errors.
        raise RecordError(f"{path} cannot be read as a checkpoint: {one_line(error)}") from error
    if not isinstance(state, dict):
        raise RecordError(f"{path} is no checkpoint of Tempo")
    return state


_STEP = re.compile(r"step-([0-9]{1,15})")


def _step_of(path: Path) -> int:
    """Return the step in a file's name; -1 for a file that Tempo did not name."""
    found = _STEP.match(path.stem)
    return int(found[1]) if found else -1


def saved_checkpoints(events: Sequence[Logged]) -> list[CheckpointSaved]:
    """Return the checkpoints that count, newest first; a step saved again replaces the older."""
    found: dict[int, CheckpointSaved] = {}
    for logged in effective(events):
        if isinstance(logged.event, CheckpointSaved):
            found[logged.event.step] = logged.event
    return [found[step] for step in sorted(found, reverse=True)]


def weights_of(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights in the state of a checkpoint, averaged ones where it holds some."""
    trainer = state["trainer"]
    # An average is of parameters; what a network holds beside them comes from the checkpoint.
    return {**trainer["model"], **(trainer["averaged"] or {})}


@dataclass(frozen=True, slots=True)
class Resumable:
    """The newest sound checkpoint, and the problems of newer ones."""

    saved: CheckpointSaved | None
    state: dict[str, Any] | None
    damaged: tuple[str, ...] = ()


def newest_sound(checkpoints: Checkpoints, saved: Iterable[CheckpointSaved]) -> Resumable:
    """Load the first sound checkpoint among `saved` (newest first).

    A checkpoint that rotation removed is ignored; one that is damaged is reported.
    """
    damaged: list[str] = []
    for each in saved:
        try:
            if not is_there(inside(checkpoints.folder, each.path)):
                continue
            return Resumable(each, checkpoints.load(each), tuple(damaged))
        except RecordError as error:
            damaged.append(str(error))
    return Resumable(None, None, tuple(damaged))


def seed_everything(seed: int) -> None:
    """Seed the process-wide streams; data and weights have streams of their own."""
    random.seed(stream(seed, "python"))
    np.random.seed(stream(seed, "numpy") % 2**32)
    torch.manual_seed(stream(seed, "torch"))


def rng_state() -> dict[str, Any]:
    """Return the state of the streams of Python, NumPy, torch and the CUDA device."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": {"version": version, "internal": list(internal), "gauss": gauss},
        "numpy": {
            "name": name,
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """Restore every stream to a state that `rng_state` returned."""
    python, numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["internal"]), python["gauss"]))
    keys = numpy["keys"].numpy().astype(np.uint32)
    np.random.set_state(
        (numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached"])
    )
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
