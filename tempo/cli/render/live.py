"""Show the progress of a running study: a display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from tempo.cli.render.console import duration, make_console, say
from tempo.core.counted import counted
from tempo.core.records import RunStatus
from tempo.launch.accounting.gpu_usage import GpuWatch
from tempo.launch.scheduling.failure_policy import POLICIES
from tempo.launch.scheduling.run_view import RunView
from tempo.launch.study_status import run_seconds_left, study_seconds_left

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
    """Shows a bar for the study, for each running run, GPU and preparation; changes above them."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._started = time.monotonic()
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=_cut(30)),
            BarColumn(bar_width=16, table_column=Column(min_width=16)),
            TextColumn("{task.fields[state]}", markup=False, table_column=_cut(None)),
            console=console,
            transient=True,
        )

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Show how far a task is, as a bar that vanishes with its end."""
        if total == 0:
            self._keep([key for key in self._tasks if key != task])
            return
        of = f"{done}/{total}" if total else f"{done}"
        self._show(task, done, total, f"{of} {unit}")

    def runs_changed(self, runs: Sequence[RunView], slots: int, *, stopping: bool) -> None:
        """Print what changed and show the state of all runs below."""
        for line in self._changes.since(runs):
            self.note(line)
        left, elapsed = study_seconds_left(runs, slots), time.monotonic() - self._started
        # What matters comes first: a narrow terminal cuts the end.
        state = "stopping: checkpoints are being written   " if stopping else ""
        state += f"ETA {duration(left)}  {counts(runs)}  {duration(elapsed)} so far"
        self._show("study", sum(view.share_done for view in runs), len(runs), state)
        running = [v for v in runs if v.status is RunStatus.RUNNING and not v.queued]
        for view in running:
            progress = view.progress
            self._show(view.run.title, progress.step, progress.total or None, _state(view))
        gpus = self._gpus.poll()
        for gpu in gpus:
            self._show(f"GPU {gpu.index}", gpu.busy or 0.0, 100, f"{gpu}")
        names = {view.run.title for view in running} | {f"GPU {gpu.index}" for gpu in gpus}
        self._keep({"study", *names})

    def runs_over(self) -> None:
        """Take the display away."""
        super().runs_over()
        self._keep(())

    def _show(self, name: str, done: float, total: float | None, state: str) -> None:
        if not self._tasks:
            self._bars.start()
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, state=state)
        self._bars.update(self._tasks[name], completed=done, total=total, state=state)

    def _keep(self, names: Collection[str]) -> None:
        for name in [name for name in self._tasks if name not in names]:
            self._bars.remove_task(self._tasks.pop(name))
        if not self._tasks:
            self._bars.stop()


def _cut(width: int | None) -> Column:
    return Column(no_wrap=True, overflow="ellipsis", max_width=width)


def _steps(view: RunView) -> str:
    """How far a running run is; a method without weights has no steps, and one that just began
    does not know them yet."""
    if view.progress.total:
        return f"{view.progress.step}/{view.progress.total}"
    return "is evaluated" if view.run.seed is None else "begins"


def _state(view: RunView) -> str:
    """Step, rate, last validation, ETA and place of a running run."""
    progress = view.progress
    parts = [
        _steps(view),
        "" if progress.rate is None else f"{progress.rate:.1f} it/s",
        "" if progress.psnr is None else f"val {progress.psnr:.2f} dB",
        f"ETA {duration(run_seconds_left(view.status, progress))}",
        str(view.elsewhere or view.where),
    ]
    return "  ".join(part for part in parts if part)


def counts(views: Sequence[RunView]) -> str:
    """`3 of 12 runs complete, 1 of them before, 1 failed, 2 elsewhere`."""
    ended = Counter(view.status for view in views)
    said = {
        "of them before": sum(view.reused for view in views),
        "failed": ended[RunStatus.FAILED],
        "pruned": sum(view.pruned and view.status is RunStatus.STOPPED for view in views),
        "held back": sum(bool(view.held_back) for view in views),
        "running elsewhere": sum(view.elsewhere is not None for view in views),
        "queued": sum(view.queued for view in views),
    }
    parts = [f"{ended[RunStatus.COMPLETE]} of {counted(len(views), 'run')} complete"]
    return ", ".join([*parts, *(f"{count} {what}" for what, count in said.items() if count)])


def _change(view: RunView) -> str | None:
    """The sentence for a run whose state just changed; None for one not worth a line."""
    title, step = view.run.title, view.progress.step
    if view.held_back:
        return f"held back {title}: {view.held_back}"
    if view.status is RunStatus.COMPLETE:
        return None if view.reused else _completed(view)
    if view.status is RunStatus.FAILED:
        return _failed(view)
    if view.status is RunStatus.RUNNING:
        return _started(view)
    if view.withdrawn or view.status is RunStatus.STOPPED:
        return f"stopped   {title} at step {step}"
    return f"lost      {title} at step {step}; it is tried again" if view.lost else None


def _started(view: RunView) -> str:
    if view.elsewhere is not None:
        return f"elsewhere {view.run.title} ({view.key}): {view.elsewhere} carries it out"
    where = f" on {view.where}" if view.where else ""
    return f"started   {view.run.title} ({view.key}){where}"


def _completed(view: RunView) -> str:
    progress = view.progress
    psnr = "" if progress.psnr is None else f", validation PSNR {progress.psnr:.2f} dB"
    took = None if progress.finish is None else progress.finish.seconds
    return f"complete  {view.run.title} in {duration(took)}{psnr}"


def _failed(view: RunView) -> str:
    finish = view.progress.finish
    failure, message = (finish.failure, finish.message) if finish else (None, "")
    why = POLICIES[failure].why if failure in POLICIES else ""
    lines = [f"FAILED    {view.run.title} ({failure}): {message}", why and f"  {why}"]
    log = f"  log: {view.log}" if view.log.name else f"  tempo logs {view.key}"
    return "\n".join([line for line in lines if line] + [log])


class Changes:
    """Which runs changed their state since the last look."""

    def __init__(self) -> None:
        self._last: dict[str, object] = {}

    def since(self, views: Sequence[RunView]) -> list[str]:
        lines = []
        for view in views:
            away = view.elsewhere is not None
            state = (view.status, away, view.lost, view.withdrawn, bool(view.held_back))
            before = self._last.get(view.key, (RunStatus.PLANNED, False, 0, False, False))
            self._last[view.key] = state
            # Of a pruned trial the search has said so; that its run leaves is no news.
            told = view.pruned and view.status not in {RunStatus.COMPLETE, RunStatus.FAILED}
            line = _change(view) if state != before and not told else None
            if line:
                lines.append(line)
        return lines
