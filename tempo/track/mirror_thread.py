"""Call a mirror's `sync` periodically in a background thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

FIRST_WAIT = 3.0
"""Seconds before the first call, after which a study can be looked at."""

LONGEST_WAIT = 60.0
"""Most seconds between two tries of a store that is down."""


class SyncThread:
    """A daemon thread that calls `sync` every `interval` seconds, sooner the first time, and less
    often while it fails."""

    def __init__(self, sync: Callable[[], bool], interval: float) -> None:
        self._sync = sync
        self._interval = interval
        self._thread: threading.Thread | None = None
        self._stopping, self._due = threading.Event(), threading.Event()

    def start(self) -> None:
        if self._thread is not None:
            raise RuntimeError("the mirror runs already")
        self._stopping.clear()
        self._due.clear()
        self._thread = threading.Thread(target=self._loop, name="tempo-mirror", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End the thread, if there is one; a call under way is waited for up to `timeout` s."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        self._due.set()
        if thread is not None:
            thread.join(timeout)

    def hurry(self) -> None:
        """Call `sync` now instead of at the end of the interval."""
        self._due.set()

    def _loop(self) -> None:
        wait = min(FIRST_WAIT, self._interval)
        while True:
            self._due.wait(wait)
            self._due.clear()
            if self._stopping.is_set():
                return
            wait = self._interval if self._sync() else min(LONGEST_WAIT, 2 * wait)
