"""Show the progress of a study as one bar, in a terminal or in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tempo.launch.scheduling.run_view import RunView


class ProgressBar:
    """An observer that shows the share of all steps that are done, with an ETA."""

    def __init__(self) -> None:
        from tqdm.auto import tqdm

        self._make = tqdm
        self._runs: Any = None
        self._task: Any = None
        self._task_name = ""

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
        self._runs.set_description("stopping" if stopping else "runs", refresh=False)
        self._runs.update(sum(run.share_done for run in runs) - self._runs.n)

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
