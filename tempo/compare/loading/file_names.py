"""Labels as file names."""

from __future__ import annotations

import re

from tempo.core.identity import short_hash

LONGEST = 60


def file_name(label: str) -> str:
    """A name for `label` that is safe on every file system, and differs for different labels.

    Letters and digits of ASCII stay, all else becomes `-`; unless nothing was changed, a hash of
    the label follows.
    """
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", label).strip("-")[:LONGEST].strip("-")
    return plain if plain and plain == label else f"{plain or 'x'}-{short_hash(label, 8)}"
