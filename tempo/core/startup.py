"""Run a process well: import fast, pause garbage collection, print anywhere, share memory, end
with the process that made it."""

from __future__ import annotations

import codecs
import gc
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread

PLAIN = {
    "Δ": "D", "−": "-", "–": "-", "—": "-", "─": "-", "±": "+-", "≈": "~", "×": "x", "…": "...",
    "↑": "^", "↓": "v", "▴": "^", "▾": "v", "○": "o", "●": "o", "·": ".", "≤": "<=", "≥": ">=",
    "†": "+", "’": "'", "“": '"', "”": '"',
}  # fmt: skip
"""What is printed instead of characters that a terminal's encoding does not have."""

_HANDLER = "tempo_plain"

SHARED = Path("/dev/shm")
"""Where Linux keeps memory that processes share."""


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


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause garbage collection during work in the block that makes much and frees little.

    It would look through all that was made again and again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def end_with_maker() -> None:
    """Have this process of multiprocessing end when the process that made it does, however.

    Between the two there may be a fork server, which is the parent and goes on.
    """
    from multiprocessing import parent_process

    maker = parent_process()

    def follow() -> None:
        if maker is not None:
            maker.join()
            os._exit(1)

    Thread(target=follow, daemon=True).start()


def lacks_shared_memory() -> str | None:
    """Return why processes cannot share memory here, as part of a sentence; None where they can.

    A container, or a file system that went read-only, may leave /dev/shm without write access.
    """
    from multiprocessing import get_all_start_methods, get_context

    kind = "fork" if "fork" in get_all_start_methods() else "spawn"
    try:
        get_context(kind).Lock()
        if SHARED.is_dir():
            with TemporaryFile(dir=SHARED):
                return None
    except (OSError, ImportError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"processes cannot share memory on this machine ({SHARED}: {reason})"
    return None


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
