"""Start a process well: import large libraries quickly, and print under any character encoding."""

from __future__ import annotations

import codecs
import gc
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PLAIN = {
    "Δ": "D", "−": "-", "–": "-", "—": "-", "─": "-", "±": "+-", "≈": "~", "×": "x", "…": "...",
    "↑": "^", "↓": "v", "▴": "^", "▾": "v", "○": "o", "●": "o", "·": ".", "≤": "<=", "≥": ">=",
    "’": "'", "“": '"', "”": '"',
}  # fmt: skip
"""What is printed instead of characters that a terminal's encoding does not have."""

_HANDLER = "tempo_plain"


@contextmanager
def loading() -> Iterator[None]:
    """Suspend garbage collection during imports in the block, and exempt what they load from it.

    Nothing is collected meanwhile, and what is there afterwards is left out of every collection
    to come: going through the objects of torch again and again took a third of a short run.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def print_in_any_encoding() -> None:
    """Let stdout and stderr write what their encoding lacks in plainer characters.

    Under `LANG=C` or in an old terminal a Greek letter would otherwise end a program in an error,
    after everything was computed.
    """
    codecs.register_error(_HANDLER, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Return the plain form of the characters that cannot be encoded; a codecs error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(each, "?") for each in lacking), error.end
