"""Define how a running study reports its progress: to a terminal, a notebook, or nowhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

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

    def to_come(self, runs: int, stage: str) -> None:
        """Receive how many runs may follow those known so far, and how far the whole is.

        `runs` is an upper bound: of later seeds of a study, or of further trials of a search.
        `stage` says `trial 5 of 16` or `3 of at most 12 seeds`; it is empty where all is known.
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

    def to_come(self, runs: int, stage: str) -> None:
        """Ignore what may follow."""

    def runs_over(self) -> None:
        """Ignore that the runs are over."""


class ProgressBar:
    """An observer that shows the share of all steps that are done, with an ETA."""

    def __init__(self) -> None:
        from tqdm.auto import tqdm

        self._make = tqdm
        self._runs: Any = None
        self._task: Any = None
        self._task_name = ""
        self._stage = ""

    def note(self, text: str) -> None:
        """Print a sentence above the bar, to the stream of the bar."""
        self._make.write(text, file=sys.stderr)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Show a preparation in a bar of its own, which closes when the preparation is over."""
        if total == 0:
            self._close_task()
            return
        if self._task is None or task != self._task_name:
            self._close_task()
            self._task_name = task
            self._task = self._make(total=total, desc=task, unit=f" {unit}", leave=False)
        self._task.total = total
        self._task.update(done - self._task.n)

    def runs_changed(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> None:
        """Show how many runs ended, and how far the running ones are."""
        if self._runs is None:
            form = "{l_bar}{bar}| {n:.2f}/{total_fmt} runs [{elapsed}<{remaining}]"
            self._runs = self._make(total=len(runs), desc="runs", bar_format=form)
        self._runs.total = len(runs)
        said = "stopping" if stopping else self._stage or "runs"
        self._runs.set_description(said, refresh=False)
        self._runs.update(sum(run.share_done for run in runs) - self._runs.n)

    def to_come(self, runs: int, stage: str) -> None:
        """Name the stage before the bar."""
        self._stage = stage

    def runs_over(self) -> None:
        """Close the bars."""
        self._close_task()
        if self._runs is not None:
            self._runs.close()
            self._runs = None

    def _close_task(self) -> None:
        if self._task is not None:
            self._task.close()
            self._task = None


def shown(observer: Observer | None) -> Observer:
    """The observer given, or a progress bar."""
    return ProgressBar() if observer is None else observer


@contextmanager
def advancing(observer: Observer, task: str, unit: str) -> Iterator[Advance]:
    """Report how far `task` is by calls of the function that is yielded."""
    try:
        yield lambda done, total: observer.progress(task, done, total, unit)
    finally:
        observer.progress(task, 0, 0, unit)
