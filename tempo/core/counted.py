"""Write numbers of things: `1 variant`, `2 variants`."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return a number with its thing, which is in the plural unless there is one of it."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
