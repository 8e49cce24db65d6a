"""Resolve the folder of a data set's files and read its lists of clips."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from tempo.core.errors import MissingError

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def resolve_root(text: str, what: str, field: str = "data.root", help_: str = "") -> Path:
    """Return the folder that `text` names, which may hold `~`, `${NAME}` and `${NAME:-default}`.

    The data set (`what`), the `field` that holds `text`, and `help_` are for the message.

    Raises:
        MissingError: for a variable that is not set and has no default, and for a missing folder.
    """
    end = f"; {help_}" if help_ else ""

    def value(found: re.Match[str]) -> str:
        name, default = found.groups()
        if name not in os.environ and default is None:
            raise MissingError(
                f"{field} is {text!r}, but the environment variable {name} is not set; "
                f"set it to the folder of {what}{end}"
            )
        return os.environ.get(name, default)

    folder = Path(_VARIABLE.sub(value, text)).expanduser()
    try:
        found = folder.is_dir()
    except PermissionError as error:
        raise MissingError(f"{folder} cannot be looked at: {error.strerror}{end}") from None
    if not found:
        full = os.path.normpath(folder.absolute())
        raise MissingError(f"{what}: {field} is {str(folder)!r}, {_absence(full, text)}{end}")
    return folder


def _absence(full: str, text: str) -> str:
    """Return why a folder cannot be used, and by which variable it would be another."""
    what = "which is no folder" if os.path.exists(full) else "which does not exist"  # noqa: PTH110
    chosen = "".join(
        f"; set {found[1]} to use another folder than {found[2]}"
        for found in _VARIABLE.finditer(text)
        if found[2] is not None and found[1] not in os.environ
    )
    return f"{what} (looked at {full}{chosen})"


def as_spelled(root: Path, name: str) -> Path:
    """Return `root`/`name`, whose parts may lie there in other upper and lower case.

    Where nothing lies there in any spelling, or two things do, the path is as it was asked for.
    """
    asked = root / name
    if asked.exists() or not root.is_dir():
        return asked
    here = root
    for part in PurePosixPath(name).parts:
        exact = here / part
        if not exact.exists() and here.is_dir():
            like = [each for each in here.iterdir() if each.name.lower() == part.lower()]
            exact = like[0] if len(like) == 1 else exact
        here = exact
    return here if here.exists() else asked


def read_lines(path: Path, what: str, help_: str) -> list[str]:
    """Return the lines that are not blank, stripped, in order.

    The data set (`what`) and how to get it (`help_`) are for the message.

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
