"""Read the lists of clips that data sets publish: text files with one clip a line."""

from __future__ import annotations

from pathlib import Path

from tempo.core.errors import MissingError


def read_lines(path: Path, what: str, help_: str) -> list[str]:
    """Return the lines that are not blank, stripped, in order.

    Args:
        path: of the list.
        what: the data set it belongs to, for the message.
        help_: how to get the data set, for the message.

    Raises:
        MissingError: no such list, one that may not be read or is no text, or an empty one.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MissingError(f"{what}: cannot read {path} ({error.strerror}); {help_}") from None
    except UnicodeDecodeError:
        raise MissingError(f"{what}: {path} is not text; {help_}") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise MissingError(f"{what}: {path} names no sequence; {help_}")
    return lines
