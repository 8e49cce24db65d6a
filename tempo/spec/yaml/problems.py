"""Collect the broken rules of a spec, so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple

from tempo.core.errors import InvalidSpecError, Place, SpecError


class Problems:
    """The broken rules of one spec; the same sentence at the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[str, SpecError] = {}

    def add(self, message: str, place: Place) -> None:
        self.take([SpecError(message, place)])

    def take(self, errors: Iterable[SpecError]) -> None:
        for error in errors:
            self._found.setdefault(str(error), error)

    def __len__(self) -> int:
        return len(self._found)

    def raise_any(self) -> None:
        """Raise the collected problems, if there are any.

        Raises:
            SpecError: when there is one problem; InvalidSpecError, sorted by place, when several.
        """
        if not self._found:
            return
        found = sorted(self._found.values(), key=lambda error: astuple(error.place or Place("")))
        raise found[0] if len(found) == 1 else InvalidSpecError(found)
