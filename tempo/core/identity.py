"""Return the canonical text of a config, its short hash, and names that are safe as file names."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

from tempo.core.errors import PathNameError

LONGEST_NAME = 60
"""Characters that a file name keeps of a label."""

LONGEST_PATH_NAME = 80
"""Bytes of a name that people choose and that becomes a file's or a folder's name."""


def canonical(value: Any) -> str:
    """Return JSON with sorted keys, no spaces and no NaN: equal values give equal text.

    Floats that are whole numbers keep their `.0`, so a field's type (fixed by its schema) is part
    of the text and 1 never collides with 1.0 by accident of spelling.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_hash(value: Any, length: int = 12) -> str:
    """Return the first `length` hex digits of the SHA-256 of the canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


def file_name(label: str) -> str:
    """Return a name for `label` that is safe on every file system, and differs between labels.

    Letters and digits of ASCII stay, all else becomes `-`; unless nothing was changed, a hash of
    the label follows.
    """
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", label).strip("-_")[:LONGEST_NAME].strip("-_")
    return plain if plain and plain == label else f"{plain or 'x'}-{short_hash(label, 8)}"


def path_name(name: str, what: str) -> str:
    """Return `name` unchanged if it is safe as the name of one file or folder.

    Every name that a spec, a command or a record brings and that becomes part of a path goes
    through here, so that none leads out of its folder: letters and digits of any script, spaces,
    `_`, `.`, `+`, `=` and `-`; a letter or digit first, no dot or space last.

    Args:
        what: what the name stands for, for the message: "profile".

    Raises:
        PathNameError: naming the rule.

    >>> path_name("demo", "profile")
    'demo'
    """
    if name.isascii() and name.isalnum() and len(name) <= LONGEST_PATH_NAME:
        return name
    usable = all(each.isalnum() or each in "_.+=- " for each in name)
    ends = usable and name[:1].isalnum() and name[-1] not in ". "
    if not ends or unicodedata.normalize("NFC", name) != name or not _fits(name):
        short = name if len(name) <= LONGEST_PATH_NAME else f"{name[:LONGEST_PATH_NAME]}..."
        raise PathNameError(
            f"the {what} {short!r} cannot be the name of a file or folder: at most "
            f"{LONGEST_PATH_NAME} bytes of letters, digits, spaces and `_.+=-`, with a letter or "
            "digit first and no dot or space last"
        )
    return name


def _fits(name: str) -> bool:
    return len(name.encode("utf-8", errors="surrogatepass")) <= LONGEST_PATH_NAME


def folded(name: str) -> str:
    """Return what names share that a file system, or a reader, may take for the same.

    Upper and lower case and the forms of Unicode count for nothing: `V2` and `v2` are one name on
    macOS and Windows.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
