"""Show the progress of a running study: a display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tempo.cli.render.console import make_console
from tempo.cli.render.run_changes import Changes, counts, duration
from tempo.core.records import RunStatus
from tempo.launch.accounting.gpu_usage import GpuWatch
from tempo.launch.scheduling.run_view import RunView
from tempo.launch.scheduling.time_left import run_seconds_left, study_seconds_left

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

    def note(self, text: str) -> None:
        """Print a sentence as written: no markup, no line breaks of rich's."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Print how far a task is, now and then."""
        now = time.monotonic()
        if task != self._task:
            self._task, self._begun, self._next = task, now, now + PLAIN_INTERVAL
        if done == total or not done or now < self._next:
            return
        self._next = now + PLAIN_INTERVAL
        of = f" of {total}" if total else ""
        left = (now - self._begun) * (total - done) / done if total and total >= done else None
        self.note(f"{task}: {done}{of} {unit}, ETA {duration(left)}")

    def runs_changed(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> None:
        """Print what changed, and now and then the state of all running runs."""
        for line in self._changes.since(runs):
            self.note(line)
        gpus = self._gpus.poll()
        if time.monotonic() < self._next_state:
            return
        self._next_state = time.monotonic() + PLAIN_INTERVAL
        running = [
            f"{view.run.title} {_steps(view)}"
            for view in runs
            if view.status is RunStatus.RUNNING and not view.queued
        ]
        eta = f"ETA {duration(study_seconds_left(runs, slots))}"
        self.note("; ".join([counts(runs), *running, eta, *map(str, gpus)]))

    def runs_over(self) -> None:
        """End the question to the GPUs' driver."""
        self._gpus.close()


class TerminalObserver(ConsoleObserver):
    """Shows overall progress and ETA, one line for each running run, changes scrolling above."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._bar: Progress | None = None
        self._started = 0.0

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Show how far a task is, as a bar that vanishes with its end."""
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}", markup=False),
                TimeElapsedColumn(),
                TextColumn("ETA"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._bar.start()
        if task != self._task or not self._bar.tasks:
            for each in self._bar.task_ids:
                self._bar.remove_task(each)
            self._task = task
            self._bar.add_task(task, total=total, unit=unit)
        self._bar.update(self._bar.task_ids[-1], completed=done, total=total)
        if done == total:
            self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def runs_changed(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> None:
        """Print what changed and draw the state of all runs below."""
        if self._live is None:
            self._close_bar()
            self._started = time.monotonic()
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
            self._live.start()
        for line in self._changes.since(runs):
            self.note(line)
        self._live.update(self._draw(runs, slots, stopping=stopping))

    def runs_over(self) -> None:
        """Take the display away."""
        super().runs_over()
        self._close_bar()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> RenderableType:
        left = study_seconds_left(runs, slots)
        elapsed = duration(time.monotonic() - self._started)
        head = Text(f"{counts(runs)}   {elapsed} so far, ETA {duration(left)}", style="bold")
        if stopping:
            head.append("   stopping: checkpoints are being written", style="yellow")
        done = sum(view.share_done for view in runs)
        parts: list[RenderableType] = [head, ProgressBar(total=max(len(runs), 1), completed=done)]
        gpus = [Text(f"{gpu}", style="dim") for gpu in self._gpus.poll()]
        return Group(*parts, _running(runs), *gpus)


def _steps(view: RunView) -> str:
    """How far a running run is; a method without weights has no steps, and one that just began
    does not know them yet."""
    if view.progress.total:
        return f"{view.progress.step}/{view.progress.total}"
    return "is evaluated" if view.run.seed is None else "begins"


def _running(runs: Sequence[RunView]) -> Table:
    table = Table.grid(padding=(0, 2))
    for view in runs:
        if view.status is not RunStatus.RUNNING or view.queued:
            continue
        progress = view.progress
        rate = "" if progress.rate is None else f"{progress.rate:.1f} it/s"
        psnr = "" if progress.psnr is None else f"val {progress.psnr:.2f} dB"
        bar = ProgressBar(total=max(progress.total, 1), completed=progress.step, width=24)
        steps = _steps(view)
        eta = f"ETA {duration(run_seconds_left(view.status, progress))}"
        where = Text(str(view.elsewhere or view.where), style="dim")
        table.add_row(Text(view.run.title), bar, steps, rate, psnr, eta, where)
    return table
