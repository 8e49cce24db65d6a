"""Keep a report whole where a figure or table of a plug-in fails: its place says why."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from tempo.core.plugins.parts import OpenTable
from tempo.report.formats.table import NotApplicable


class ReportParts(OpenTable):
    """Figures or tables of Tempo, followed by those of plug-ins."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        return found if name in self.own else _guarded(f"the {self.table} {name!r}", found)


def _guarded(what: str, make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def made(subject: Any) -> Any:
        try:
            return make(subject)
        except Exception as error:
            text = " ".join(str(error).split())
            return NotApplicable(f"{what} of a plug-in raises {type(error).__name__}: {text}")

    return made
