"""Define how a running study reports its progress: to a terminal, a notebook, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tempo.launch.scheduling.run_view import RunView

Advance = Callable[[int, int | None], None]
"""Called with what is done and what there is in all, None while unknown."""


class Observer(Protocol):
    """Receives what a study does while it runs. Every method returns at once.

    Pass your own to `Study.run(observer=...)`; `SilentObserver` is a base to derive from.

    >>> import tempo
    >>> study = tempo.load_study("ablations/v2_to_v3.yaml", profile="smoke", mlflow="off")
    >>> study.run(observer=tempo.SilentObserver()).complete
    True
    """

    def note(self, text: str) -> None:
        """Receive a sentence for the user."""

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Receive how far a task is; `total` is None while unknown, 0 once the task is over."""

    def runs_changed(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> None:
        """Receive the state of all runs, several times a second while they are carried out.

        `slots` is how many run side by side; with `stopping`, checkpoints are being written.
        """

    def runs_over(self) -> None:
        """Learn that no run is carried out any more."""


class SilentObserver:
    """Reports nothing.

    >>> from tempo.workflow.observer import SilentObserver
    >>> class Notes(SilentObserver):
    ...     def note(self, text):
    ...         print(text)
    >>> Notes().note("V3 s0 is complete.")
    V3 s0 is complete.
    """

    def note(self, text: str) -> None:
        """Ignore a sentence."""

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Ignore how far a task is."""

    def runs_changed(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> None:
        """Ignore the state of the runs."""

    def runs_over(self) -> None:
        """Ignore that the runs are over."""


@contextmanager
def advancing(observer: Observer, task: str, unit: str) -> Iterator[Advance]:
    """Report how far `task` is by calls of the function that is yielded."""
    try:
        yield lambda done, total: observer.progress(task, done, total, unit)
    finally:
        observer.progress(task, 0, 0, unit)
