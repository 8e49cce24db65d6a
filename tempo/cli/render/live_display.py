"""Draw what a study does at the bottom of a terminal, in as many lines as the terminal has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.text import Text

from tempo.cli.render.console import duration
from tempo.cli.render.fitted_table import GAP, FittedColumn, bar, column, grid, lay_out
from tempo.cli.render.run_changes import steps
from tempo.core.counted import counted
from tempo.launch.accounting.gpu_usage import Gpu
from tempo.launch.scheduling.run_view import RunView
from tempo.launch.study_status import run_seconds_left

BAR = 12
"""Characters of a bar."""

LEAST_NAME = 18
"""Characters of a run's name before further columns get room."""

KEPT = 3
"""Lines of the terminal above the display that stay free for what changed."""

REFRESHES = 4.0
"""Pictures a second."""


@dataclass(frozen=True, slots=True)
class Head:
    """The whole study: the share that is done, and what to say of it, the first thing first."""

    share: float
    parts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Task:
    """A preparation: its name, the share that is done if known, in words, and the seconds left."""

    name: str
    share: float | None
    said: str
    left: float | None


class Display:
    """The live part of a terminal; it appears with the first content and vanishes with the last."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._task: Task | None = None
        self._head: Head | None = None
        self._runs: Sequence[RunView] = ()
        self._gpus: Sequence[Gpu] = ()
        self._live: Live | None = None

    def task(self, task: Task | None) -> None:
        """Show a preparation; None takes it away."""
        self._task = task
        self._show()

    def runs(self, head: Head, runs: Sequence[RunView], gpus: Sequence[Gpu]) -> None:
        """Show the study and what is running."""
        self._head, self._runs, self._gpus = head, runs, gpus
        self._show()

    def clear(self) -> None:
        """Take everything away."""
        self._task = self._head = None
        self._runs, self._gpus = (), ()
        self._show()

    def _show(self) -> None:
        if self._task is None and self._head is None:
            if self._live is not None:
                self._live.stop()
            self._live = None
        elif self._live is None:
            self._live = Live(
                self, console=self._console, transient=True, refresh_per_second=REFRESHES
            )
            self._live.start(refresh=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the display: the study, what is running, the GPUs, a preparation."""
        width = options.max_width
        upper: list[RenderableType] = []
        if self._head is not None:
            words = [Text(part) for part in self._head.parts]
            upper.append(_whole([bar(self._head.share, BAR), *words], width))
        lower: list[RenderableType] = []
        if self._gpus:
            lower.append(_whole([Text(str(gpu)) for gpu in self._gpus], width))
        if self._task is not None:
            lower.append(_task(self._task, width))
        taken = sum(len(console.render_lines(each, options)) for each in [*upper, *lower])
        room = max((options.height or console.height) - taken - KEPT, 1)
        yield Group(*upper, *running_rows(self._runs, width, room), *lower)


def running_rows(runs: Sequence[RunView], width: int, room: int) -> Iterator[RenderableType]:
    """Yield a row for each running run in at most `room` lines; the last counts the rest."""
    shown = runs if len(runs) <= room else runs[: max(room - 1, 0)]
    if shown:
        yield grid(lay_out(list(_columns(shown)), width), headings=False)
    if len(shown) < len(runs):
        yield Text(f"and {counted(len(runs) - len(shown), 'more running run')}", style="dim")


def _columns(runs: Sequence[RunView]) -> Iterator[FittedColumn]:
    """Yield name, bar, step, validation, ETA, rate and place; the last ones are left out first."""
    progress = [view.progress for view in runs]
    eta = [run_seconds_left(view.status, view.progress) for view in runs]
    psnr = ["" if p.psnr is None else f"val {p.psnr:.2f} dB" for p in progress]
    rate = ["" if p.rate is None else f"{p.rate:.1f} it/s" for p in progress]
    yield column("", [Text(v.run.title) for v in runs], least=LEAST_NAME, grow=3)
    yield column("", [bar(view.share_done, BAR) for view in runs], 1)
    yield column("", [Text(steps(view)) for view in runs], kind="number")
    yield column("", [Text(each) for each in psnr])
    yield column("", [Text(f"ETA {duration(each)}") for each in eta])
    yield column("", [Text(each) for each in rate], 2)
    yield column("", [Text(str(view.elsewhere or view.where)) for view in runs], 4)


def _whole(parts: Sequence[Text], width: int) -> Text:
    """Return the parts beside each other, on further lines where one is too narrow."""
    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + GAP + part.cell_len <= width:
            lines[-1] = Text(" " * GAP).join([lines[-1], part])
        else:
            lines.append(part)
    return Text("\n").join(lines)


def _task(task: Task, width: int) -> RenderableType:
    """Return a preparation in a row; what is left of it is said in any width."""
    eta = "" if task.left is None else f"ETA {duration(task.left)}"
    line = [column("", [Text(task.name)], least=LEAST_NAME, grow=1)]
    if task.share is not None:
        line.append(column("", [bar(task.share, BAR)], 2))
    line += [column("", [Text(task.said)]), column("", [Text(eta)])]
    return grid(lay_out(line, width), headings=False)
