"""Define the exceptions, and the position in a spec that their messages name."""

from __future__ import annotations

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
