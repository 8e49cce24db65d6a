"""Return the commands that messages suggest, with the records that the user chose."""

from __future__ import annotations

from pathlib import Path

from tempo.core.own_command import own_command
from tempo.records.layout import default_root


def suggested(command: str, *words: object, records: Path) -> str:
    """Return a command that works on `records`, which is named unless it is the default."""
    chosen = () if records == default_root() else ("--records", records)
    return own_command(command, *words, *chosen)
