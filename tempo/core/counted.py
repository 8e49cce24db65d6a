"""Write numbers of things, `2 variants`, and lists that stop: `V2, V3 and 4 more`."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, thing: str) -> str:
    """Return a number with its thing, which is in the plural unless there is one of it."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def listed_up_to(most: int, names: Sequence[str]) -> str:
    """Return the first `most` names with commas between, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
