"""How far a command is, with an ETA: a bar in a terminal, a line now and then anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tempo.cli.changes import duration
from tempo.cli.live import PLAIN_INTERVAL

Advance = Callable[[int, int | None], None]
"""Called with what is done and what there is in all, None while unknown."""


@contextmanager
def advancing(console: Console, what: str, unit: str) -> Iterator[Advance]:
    """Show how `what` gets on, counted in `unit`."""
    if not console.is_terminal:
        yield _Lines(console, what, unit)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """A line every quarter of a minute."""

    def __init__(self, console: Console, what: str, unit: str) -> None:
        self._console, self._what, self._unit = console, what, unit
        self._begun = time.monotonic()
        self._next = self._begun + PLAIN_INTERVAL

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now < self._next or not done:
            return
        self._next = now + PLAIN_INTERVAL
        of = f" of {total}" if total else ""
        left = (now - self._begun) * (total - done) / done if total and total >= done else None
        line = f"{self._what}: {done}{of} {self._unit}, ETA {duration(left)}"
        self._console.print(line, markup=False, soft_wrap=True)
