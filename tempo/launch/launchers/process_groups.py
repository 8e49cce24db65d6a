"""Send signals to a worker together with all processes that it started."""

from __future__ import annotations

import contextlib
import os
import signal

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""The signal that nothing survives; Windows has one signal for all ends."""


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a worker and all that it started; one that ended is passed over."""
    with contextlib.suppress(ProcessLookupError):
        try:
            # Windows has no groups, nor has a process in its first moment.
            getattr(os, "killpg", os.kill)(pid, number)
        except ProcessLookupError:
            os.kill(pid, number)
