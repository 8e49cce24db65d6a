"""Stop on request: signals set a flag that training reads between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from tempo.core.errors import StoppedError, TempoError

SIGNALS = tuple(
    signal.Signals(getattr(signal, name))
    for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
"""Ctrl-C, a scheduler's request to end, and pre-emption notices, which Windows does not have."""

WAKE: signal.Signals | None = getattr(signal, "SIGUSR1", None)
"""The signal by which a thread interrupts the main one."""

PAUSE = 5.0
"""Seconds between two calls of an objection."""

Objection = Callable[[], str | None]
"""Returns why work has to stop; None while work may continue. Called often, so cheap."""


class StopRequest:
    """Holds whether, and by what, this process was asked to stop.

    `wakes`: a signal reaches `receive`.
    """

    def __init__(self, *, wakes: bool = False) -> None:
        self.signal: str | None = None
        self._at_once, self._wakes = False, wakes

    def __bool__(self) -> bool:
        return self.signal is not None

    def receive(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or signal.Signals(number).name
        if self._at_once:
            self.check()

    def ask(self, by: str = "tempo stop") -> None:
        """Request a stop from another thread; a signal interrupts a block of `at_once`."""
        self.signal = self.signal or by
        if self._wakes and WAKE is not None:
            signal.pthread_kill(threading.main_thread().ident or 0, WAKE)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal end the block at any place: for work that keeps nothing, such as preparing
        data or compiling, which may take minutes."""
        self.check()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def check(self) -> None:
        """Raise StoppedError when a stop was requested."""
        if self.signal is not None:
            raise StoppedError(f"stopped by {self.signal}; the work so far is kept")


@contextmanager
def handling(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Call `handler` for each stop signal that arrives during the block."""
    previous = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Turn stop signals into a request during the block. Outside the main thread, which alone may
    install handlers, signals are left as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield StopRequest()
        return
    request = StopRequest(wakes=True)
    with handling(request.receive):
        yield request


@contextmanager
def watch_objection(objection: Objection, stop: StopRequest) -> Iterator[None]:
    """Set `stop` as soon as `objection` returns a reason, during the block."""
    over = threading.Event()

    def listen() -> None:
        while not over.wait(PAUSE):
            # What cannot be read just now, as on a shared disk that is away, objects to nothing.
            with suppress(TempoError, OSError):
                if why := objection():
                    stop.ask(why)
                    return

    thread = threading.Thread(target=listen, name="tempo-objections", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=1.0)
