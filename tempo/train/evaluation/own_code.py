"""Tell errors in code of users by their place, with the whole traceback in a log."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tempo.core.errors import PluginError, TempoError
from tempo.core.provenance import PACKAGE
from tempo.records.files import write_atomic

LIBRARIES = tuple(map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")))
"""Folders of Python itself and of installed packages."""

LOG = "error.log"
"""Holds the traceback of the last error in the code of a method, in the folder of its records."""


@contextmanager
def own_code(
    what: str, folder: Path, passed: tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """Turn an error inside into a sentence that says what was done, and where it happened.

    Errors of Tempo, a lack of memory on the device and those `passed` are left as they are.

    Raises:
        PluginError: naming the place and the log in `folder`; its cause is the error itself.
    """
    as_they_are: tuple[type[BaseException], ...] = (TempoError, torch.OutOfMemoryError, *passed)
    try:
        yield
    except as_they_are:
        raise
    except Exception as error:
        log = folder / LOG
        text = "".join(traceback.format_exception(error))
        write_atomic(log, lambda file: file.write(text.encode()))
        said = " ".join(str(error).split()) or "it gives no reason"
        raise PluginError(
            f"{what} failed at {_place(error)}: {type(error).__name__}: {said}; "
            f"the whole traceback is in {log}"
        ) from error


def _place(error: Exception) -> str:
    """Return file and line of the innermost call in files of the user.

    Where all files are installed packages', it is the first call out of Tempo.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    every = traceback.extract_tb(error.__traceback__)
    calls = [call for call in every if PACKAGE not in Path(call.filename).parents] or [*every]
    mine = [call for call in calls if not _installed(call.filename)]
    chosen = mine[-1] if mine else calls[0]
    return f"{chosen.filename}:{chosen.lineno}"


def _installed(file: str) -> bool:
    """Return whether a file is of Python itself or of an installed package."""
    inside = Path(file).parents
    return file.startswith("<frozen") or any(Path(each) in inside for each in LIBRARIES)
