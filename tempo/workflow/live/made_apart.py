"""Make a text in a forked process, so that what it takes of memory goes with that process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection

from tempo.core.errors import RecordError, TempoError

SECONDS = 300.0
"""Most seconds that a text may take."""


def made_apart(make: Callable[[], str], seconds: float = SECONDS) -> str:
    """Return what `make` returns, made in a process of its own where the system can fork.

    Raises:
        TempoError: what `make` raised, or that its process ended without a word or took too long.
    """
    if sys.platform != "linux":
        return make()
    context = get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_make, args=(make, sending, receiving), daemon=True)
    process.start()
    sending.close()
    try:
        if not receiving.poll(seconds):
            raise RecordError(f"the page was not made within {seconds:.0f} s; it is tried again")
        made, said = receiving.recv()
    except EOFError:
        raise RecordError("the process that made the page ended without a word") from None
    finally:
        process.kill()
        process.join()
        process.close()
        receiving.close()
    if not made:
        raise TempoError(str(said))
    return str(said)


def _make(make: Callable[[], str], sending: Connection, receiving: Connection) -> None:
    # A signal from the keyboard is for the process that began this one, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    receiving.close()
    try:
        sending.send((True, make()))
    except TempoError as error:
        sending.send((False, str(error)))
    except BaseException as error:
        sending.send((False, f"the page could not be made ({type(error).__name__}: {error})"))
    # No clean-up of this copy of the first process may run.
    os._exit(0)
