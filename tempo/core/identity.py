"""Return the canonical text of a config, its short hash, and safe file names of labels."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

LONGEST_NAME = 60
"""Characters that a file name keeps of a label."""


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
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", label).strip("-")[:LONGEST_NAME].strip("-")
    return plain if plain and plain == label else f"{plain or 'x'}-{short_hash(label, 8)}"
