"""Show the progress of a running study: a display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console

from tempo.cli.render.console import duration, make_console, say
from tempo.cli.render.live_display import Display, Head, Task
from tempo.cli.render.run_changes import Changes, counts, steps
from tempo.core.records import RunStatus
from tempo.launch.accounting.gpu_usage import GpuWatch
from tempo.launch.scheduling.run_view import RunView
from tempo.launch.study_status import study_seconds_left

PLAIN_INTERVAL = 15.0
"""Seconds between two plain progress lines."""


def make_observer(console: Console | None = None, *, stderr: bool = False) -> ConsoleObserver:
    """An observer that suits the console: a live display in a terminal, plain lines elsewhere."""
    console = console or make_console(stderr=stderr)
    return TerminalObserver(console) if console.is_terminal else ConsoleObserver(console)


class ConsoleObserver:
    """Prints a line for each change, and one with the state of things every quarter of a minute."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._changes = Changes()
        self._gpus = GpuWatch()
        self._next_state = time.monotonic() + PLAIN_INTERVAL
        self._task = ""
        self._begun = self._next = 0.0
        self._more, self._stage = 0, ""

    def note(self, text: str) -> None:
        """Print a sentence as written: no markup, no line breaks of rich's."""
        say(self.console, text)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Print how far a task is, now and then."""
        now = time.monotonic()
        if task != self._task:
            self._task, self._begun, self._next = task, now, now + PLAIN_INTERVAL
        if not done or now < self._next:
            return
        self._next = now + PLAIN_INTERVAL
        of = f" of {total}" if total else ""
        self.note(f"{task}: {done}{of} {unit}, ETA {duration(self._left(done, total))}")

    def _left(self, done: int, total: int | None) -> float | None:
        """Return the seconds until the present task is over, at the rate so far."""
        if not done or not total or total < done:
            return None
        return (time.monotonic() - self._begun) * (total - done) / done

    def to_come(self, runs: int, stage: str) -> None:
        """Remember what may follow, which the ETA covers."""
        self._more, self._stage = runs, stage

    def runs_changed(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> None:
        """Print what changed, and now and then the state of all running runs."""
        for line in self._changes.since(runs):
            self.note(line)
        gpus = self._gpus.poll()
        if time.monotonic() < self._next_state:
            return
        self._next_state = time.monotonic() + PLAIN_INTERVAL
        running = [f"{view.run.title} {steps(view)}" for view in active(runs)]
        stage = [self._stage] if self._stage else []
        parts = [*stage, counts(runs), *running, self._eta(runs, slots), *map(str, gpus)]
        self.note("; ".join(parts))

    def _eta(self, runs: Sequence[RunView], slots: int) -> str:
        """Return the time that is left for all that is known and all that may follow."""
        left = study_seconds_left(runs, slots, self._more)
        return f"ETA {'at most ' if self._more and left is not None else ''}{duration(left)}"

    def runs_over(self) -> None:
        """End the question to the GPUs' driver."""
        self._gpus.close()


class TerminalObserver(ConsoleObserver):
    """Shows a bar for the study, for each running run, GPU and preparation; changes above them."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._changes = Changes(lambda: console.width)
        self._started = time.monotonic()
        self._display = Display(console)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Show how far a task is, as a bar that vanishes with its end."""
        if total == 0:
            self._display.task(None)
            return
        if task != self._task:
            self._task, self._begun = task, time.monotonic()
        of = f"{done} of {total}" if total else f"{done}"
        share = done / total if total else None
        left = self._left(done, total)
        self._display.task(Task(task, share, f"{of} {unit}", left))

    def runs_changed(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> None:
        """Print what changed and show the state of all runs below."""
        for line in self._changes.since(runs):
            self.note(line)
        elapsed = time.monotonic() - self._started
        parts = [
            "stopping: checkpoints are being written" if stopping else "",
            self._stage,
            counts(runs),
            self._eta(runs, slots),
            f"{duration(elapsed)} so far",
        ]
        share = sum(view.share_done for view in runs) / max(len(runs) + self._more, 1)
        head = Head(share, [part for part in parts if part])
        self._display.runs(head, active(runs), self._gpus.poll())

    def runs_over(self) -> None:
        """Take the display away."""
        super().runs_over()
        self._display.clear()


def active(runs: Sequence[RunView]) -> list[RunView]:
    """Return the runs that are being carried out, here or elsewhere."""
    return [v for v in runs if v.status is RunStatus.RUNNING and not v.queued]
