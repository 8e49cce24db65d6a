"""Named parts. A miss names the known names and the nearest one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from tempo.core.errors import UnknownNameError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when none is close."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """The sentence for an unknown name: what was given, what is allowed, the nearest."""
    names = list(known)
    guess = nearest(str(name), names)
    hint = f"; did you mean {guess!r}?" if guess else ""
    return f"unknown {what} {name!r}{hint} (known: {', '.join(names)})"


class Catalog(Generic[T]):
    """An ordered table from a name to an entry, open to additions at run time."""

    def __init__(self, what: str, entries: dict[str, T] | None = None) -> None:
        self.what = what
        self._entries: dict[str, T] = dict(entries or {})

    def add(self, name: str, entry: T) -> None:
        """Add an entry. A name that is taken is an error: two meanings would share one word."""
        if name in self._entries:
            raise ValueError(f"{self.what} {name!r} is already registered")
        self._entries[name] = entry

    def remove(self, name: str) -> None:
        """Take an entry out again (tests register parts for a moment)."""
        del self._entries[name]

    def get(self, name: str) -> T:
        """The entry called `name`.

        Raises:
            UnknownNameError: naming the known names and the nearest one.
        """
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise UnknownNameError(unknown(self.what, name, self._entries)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
