"""Find files of frozen weights, check them by their SHA-256, and read their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from tempo.core.errors import MissingError, SpecError
from tempo.records.files import sha256_of
from tempo.spec.losses import FrozenWeights


def read_tensors(path: Path, layout: str) -> Mapping[str, Tensor]:
    """Read a file that maps names to tensors, without running pickled code.

    Raises:
        SpecError: when it holds something else; `layout` says what it should hold.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises whatever the content leads to: zip, pickle, runtime and end-of-file errors.
        why = f"torch cannot read it ({error})"
        raise SpecError(f"{path} is not {layout}: {why}") from error
    if not isinstance(weights, Mapping) or not all(
        isinstance(each, Tensor) for each in weights.values()
    ):
        raise SpecError(f"{path} is not {layout}: it is no mapping of names to tensors")
    return weights


def check_file(given: FrozenWeights, place: str = "recipe.loss") -> Path:
    """Return the path of a file of frozen weights, which is there and has the SHA-256 given.

    `place` names the section of the spec in messages.

    Raises:
        MissingError: saying what is wrong, and what the file's own SHA-256 is.
    """
    path = Path(given.path).expanduser()
    if not path.is_file():
        what = "is a folder and not a file" if path.is_dir() else "does not exist"
        raise MissingError(
            f"{place}: the file of weights {given.path} {what} (looked at {path.absolute()}); "
            "Tempo downloads none: put the file there, or write where it is"
        )
    try:
        digest = digest_of(path)
    except OSError as error:
        raise MissingError(
            f"{place}: the file of weights {given.path} cannot be read: {error.strerror}"
        ) from None
    if digest != given.sha256:
        raise MissingError(
            f"{place}: {given.path} is another file than the spec asks for: its SHA-256 is "
            f"{digest}, and not {given.sha256}; put the right file there, or write this SHA-256"
        )
    return path


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, hashed once in a process, unless it changes."""
    state = path.stat()
    return _digest(path.resolve(), state.st_size, state.st_mtime_ns)


@cache
def _digest(path: Path, size: int, changed: int) -> str:
    return sha256_of(path)
