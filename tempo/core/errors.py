"""Define the exceptions, and the position in a spec that their messages name."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a spec. `line` and `column` count from 1; 0 means the source has no lines."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class TempoError(Exception):
    """Base of all expected errors. `exit_code` is what the command line returns."""

    exit_code = 2


class SpecError(TempoError):
    """A spec breaks a rule. The message states the rule, the value and the alternatives."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.place = place

    @property
    def problems(self) -> tuple[SpecError, ...]:
        """Every broken rule that this error stands for: itself, or all of a `InvalidSpecError`."""
        return (self,)


class InvalidSpecError(SpecError):
    """All broken rules of a spec, one a line."""

    def __init__(self, problems: Sequence[SpecError]) -> None:
        super().__init__("\n".join(str(each) for each in problems))
        self._problems = tuple(problems)
        self.place = problems[0].place

    @property
    def problems(self) -> tuple[SpecError, ...]:
        return self._problems


class UnknownNameError(TempoError, ValueError):
    """A name is not in a catalog. A ValueError too, so that pydantic reports it with its place."""


class PathNameError(TempoError, ValueError):
    """A name cannot be that of a file or folder. A ValueError too, so that pydantic reports it."""


class NotApplicableError(TempoError):
    """A study has no such figure or table. The message says why."""


class PluginError(TempoError):
    """Code of a user cannot be imported, fails, or adds what does not fit: a plug-in, or a method
    that is called. The message says where, and what to change."""


class MissingError(TempoError):
    """Something this machine does not have: a data set, a device, a package."""


class RecordError(TempoError):
    """Records on disk are absent or cannot be trusted."""


class NoResultError(RecordError):
    """No run of a study has a result yet, so there is nothing to compare."""


class FormatError(TempoError):
    """A newer version of Tempo wrote the records. Not a RecordError: no reader may pass over it."""


class LedgerError(TempoError):
    """The ledger cannot be reached, or is of a kind that does not suit."""


class LeaseLostError(TempoError):
    """A run was taken over by another worker, which alone may write its records now."""


class RunError(TempoError):
    """A run failed. `failure` is one of `tempo.core.records.FAILURES`."""

    exit_code = 1

    def __init__(self, message: str, failure: str = "bug") -> None:
        super().__init__(message)
        self.failure = failure


class StoppedError(TempoError):
    """The user asked to stop (Ctrl-C or a signal)."""

    exit_code = 130


OF_THE_MACHINE = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM,
        errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR,
        errno.ELOOP, errno.ENAMETOOLONG,
    }
)  # fmt: skip
"""Errors of the system that no spec and no code causes: a full, broken or write-protected disk, a
limit on files, missing rights, too many open files, another kind of file where one belongs."""

NO_TEMPORARY = "No usable temporary directory found"
"""How Python begins to say that no folder for temporary files can be written."""


def lacking_on_machine(error: BaseException) -> str | None:
    """Return what the machine lacks, as a sentence; None where the error has another cause.

    It is in the system's words, with the file it was lacking for.
    """
    if isinstance(error, MemoryError):
        return "memory ran out."
    if isinstance(error, FileNotFoundError) and str(error.strerror).startswith(NO_TEMPORARY):
        return (
            "no folder for temporary files can be written: set TMPDIR to a folder with room that "
            "you may write in."
        )
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        place = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{place}."
    psutil = sys.modules.get("psutil")
    if psutil is not None and isinstance(error, psutil.Error):
        return f"a process ended, or hid itself, while it was looked at ({error})."
    return None
