"""Serialise configs canonically and hash them."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """Return JSON with sorted keys, no spaces and no NaN: equal values give equal text.

    Floats that are whole numbers keep their `.0`, so a field's type (fixed by its schema) is part
    of the text and 1 never collides with 1.0 by accident of spelling.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_hash(value: Any, length: int = 12) -> str:
    """Return the first `length` hex digits of the SHA-256 of the canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]
