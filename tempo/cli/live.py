"""The live view of a study: a display in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tempo.cli.changes import Changes, counts, duration
from tempo.core.records import RunStatus
from tempo.launch.accounting.gpu_usage import GpuWatch
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunView
from tempo.launch.scheduling.time_left import run_seconds_left, study_seconds_left

PLAIN_INTERVAL = 15.0
"""Seconds between two plain progress lines."""


@contextmanager
def preparing(console: Console) -> Iterator[Callable[[int, int, str], None]]:
    """Shows the preparation of data: a bar in a terminal, a line per part elsewhere."""
    if not console.is_terminal:
        yield _PlainPreparation(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("preparing data", total=None)

        def show(done: int, total: int, what: str) -> None:
            bar.update(task, description=f"preparing {what}", completed=done, total=total)

        yield show


class _PlainPreparation:
    """A line every quarter of a minute while data is prepared, and one when it began."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        if done < total and time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_INTERVAL
            self._console.print(f"preparing {what}: {done} of {total} clips", markup=False)


class View(Protocol):
    """What shows a study's progress; used as a context manager around it."""

    def __enter__(self) -> View: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def update(self, pool: Pool) -> None: ...
    def note(self, text: str) -> None: ...


def make_view(console: Console) -> View:
    """A live display where the console is a terminal, plain lines elsewhere."""
    return TerminalView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """One line for each change, and one with the state of things every quarter of a minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._changes = Changes()
        self._gpus = GpuWatch()
        self._next = time.monotonic() + PLAIN_INTERVAL

    def __enter__(self) -> PlainView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gpus.close()

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def update(self, pool: Pool) -> None:
        views = list(pool.views.values())
        for line in self._changes.since(views):
            self.note(line)
        gpus = self._gpus.poll()
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PLAIN_INTERVAL
        running = [
            f"{view.run.title} {_steps(view)}"
            for view in views
            if view.status is RunStatus.RUNNING and not view.queued
        ]
        eta = f"ETA {duration(study_seconds_left(views, pool.width))}"
        self.note("; ".join([counts(views), *running, eta, *map(str, gpus)]))


class TerminalView:
    """Overall progress and ETA, one line for each running run, changes scrolling above."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._changes = Changes()
        self._gpus = GpuWatch()
        self._started = time.monotonic()

    def __enter__(self) -> TerminalView:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gpus.close()
        self._live.__exit__(kind, error, trace)

    def note(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False)

    def update(self, pool: Pool) -> None:
        views = list(pool.views.values())
        for line in self._changes.since(views):
            self.note(line)
        self._live.update(self._draw(views, pool))

    def _draw(self, views: Sequence[RunView], pool: Pool) -> RenderableType:
        left = study_seconds_left(views, pool.width)
        elapsed = duration(time.monotonic() - self._started)
        head = Text(f"{counts(views)}   {elapsed} so far, ETA {duration(left)}", style="bold")
        if pool.stopping:
            head.append("   stopping: checkpoints are being written", style="yellow")
        done = sum(_share(view) for view in views)
        parts: list[RenderableType] = [head, ProgressBar(total=max(len(views), 1), completed=done)]
        gpus = self._gpus.poll()
        return Group(*parts, _running(views), *[Text(f"{gpu}", style="dim") for gpu in gpus])


def _share(view: RunView) -> float:
    """How much of a run is done, from 0 to 1."""
    if view.ended:
        return 1.0
    return view.progress.step / view.progress.total if view.progress.total else 0.0


def _steps(view: RunView) -> str:
    """How far a running run is; a method without weights has no steps, and one that just began
    does not know them yet."""
    if view.progress.total:
        return f"{view.progress.step}/{view.progress.total}"
    return "is evaluated" if view.run.seed is None else "begins"


def _running(views: Sequence[RunView]) -> Table:
    table = Table.grid(padding=(0, 2))
    for view in views:
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
