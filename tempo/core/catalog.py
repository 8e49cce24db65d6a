"""Look up parts by name; an unknown name is reported with the known and the nearest ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from tempo.core.errors import UnknownNameError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to `name`; None when none is close."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """Return the message for an unknown name: the name, the nearest and the known ones."""
    names = list(known)
    guess = nearest(str(name), names)
    hint = f"; did you mean {guess!r}?" if guess else ""
    return f"unknown {what} {name!r}{hint} (known: {', '.join(names) or 'none'})"


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
        """Remove an entry (tests register parts temporarily)."""
        del self._entries[name]

    def get(self, name: str) -> T:
        """Return the entry called `name`.

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
