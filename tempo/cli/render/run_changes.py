"""Word what happened to runs, a line each, and how many stand how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tempo.cli.render.console import duration
from tempo.cli.render.fitted_table import short_names
from tempo.core.counted import counted
from tempo.core.records import RunStatus
from tempo.launch.scheduling.failure_policy import POLICIES
from tempo.launch.scheduling.run_view import RunView
from tempo.records.pruned_runs import searched_status

UNLESS = "; should it not go on, end that process, and the run is tried again"
"""What to do about a worker that is silent."""

LEAST_NAME = 12
"""Characters down to which a run's name is cut, so that its line fits into a terminal."""


def steps(view: RunView) -> str:
    """Return how far a running run is.

    A method without weights has no steps, and a run that just began does not know them yet.
    """
    if view.progress.total:
        return f"{view.progress.step}/{view.progress.total}"
    return "is evaluated" if view.run.seed is None else "begins"


def counts(views: Sequence[RunView]) -> str:
    """Return `3 of 12 runs complete, 1 of them before, 1 failed, 2 elsewhere`."""
    ended = Counter(searched_status(view.status, pruned=view.pruned) for view in views)
    said = {
        "of them before": sum(view.reused for view in views),
        "failed": ended[RunStatus.FAILED],
        "pruned": ended[RunStatus.PRUNED],
        "held back": sum(bool(view.held_back) for view in views),
        "running elsewhere": sum(view.elsewhere is not None for view in views),
        "queued": sum(view.queued for view in views),
    }
    parts = [f"{ended[RunStatus.COMPLETE]} of {counted(len(views), 'run')} complete"]
    return ", ".join([*parts, *(f"{count} {what}" for what, count in said.items() if count)])


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a run: `word`, the run's name, then the rest of the line; `more` follows."""

    word: str
    name: str
    rest: str = ""
    more: tuple[str, ...] = ()

    def lines(self, width: int | None, names: Sequence[str]) -> Iterator[str]:
        """Yield the line, with the middle of the name left out where that makes it fit `width`.

        `names` are those of all runs, from which the name is to be told apart.
        """
        line = f"{self.word:9} {self.name}{self.rest}"
        over = 0 if width is None else len(line) - width
        if 0 < over <= len(self.name) - LEAST_NAME:
            short = short_names([self.name, *names], len(self.name) - over)
            line = f"{self.word:9} {short[self.name]}{self.rest}"
        yield line
        yield from self.more


class Changes:
    """Which runs changed their state since the last look.

    Args:
        width: the characters of a line, to which names are cut; None: names stay whole.
    """

    def __init__(self, width: Callable[[], int | None] = lambda: None) -> None:
        self._width = width
        self._last: dict[str, object] = {}
        self._told: dict[str, int] = {}
        self._silent: set[str] = set()

    def since(self, views: Sequence[RunView]) -> list[str]:
        """Return a line for each change since this was asked last."""
        lines: list[str] = []
        names = [view.run.title for view in views]
        for view in views:
            away = view.elsewhere is not None
            flags = (view.withdrawn, bool(view.held_back))
            if silence := self._silence(view):
                lines += silence.lines(self._width(), names)
            state = (view.status, away, len(view.losses), flags)
            before = self._last.get(view.key, (RunStatus.PLANNED, False, 0, (False, False)))
            self._last[view.key] = state
            if state == before:
                continue
            for change in (*self._losses(view), _change(view)):
                lines += change.lines(self._width(), names) if change else ()
        return lines

    def _silence(self, view: RunView) -> Change | None:
        """Return what to say of a worker that has just begun, or ceased, to be silent."""
        if bool(view.silent) == (view.key in self._silent):
            return None
        if view.silent:
            self._silent.add(view.key)
            return Change("silent", view.run.title, f": {view.silent}{UNLESS}")
        self._silent.discard(view.key)
        if view.status is not RunStatus.RUNNING:
            return None
        return Change("running", view.run.title, " again: its worker renewed its lease")

    def _losses(self, view: RunView) -> Iterator[Change]:
        """Yield the losses of a run that were not told yet."""
        told = self._told.get(view.key, 0)
        self._told[view.key] = len(view.losses)
        for loss in view.losses[told:]:
            yield Change("lost", view.run.title, f": {loss}")


def _change(view: RunView) -> Change | None:
    """Return what to say of a run whose state just changed; None for what is not worth a line."""
    if view.held_back:
        return Change("held back", view.run.title, f": {view.held_back}")
    if view.status is RunStatus.FAILED:
        return _failed(view)
    if view.status is RunStatus.COMPLETE:
        return None if view.reused else _completed(view)
    return None if view.pruned else _underway(view)


def _underway(view: RunView) -> Change | None:
    """Return what to say of a run that has not ended; of a pruned one the search has said so."""
    title, step = view.run.title, view.progress.step
    if view.status is RunStatus.RUNNING:
        return Change("stopping", title, ", as was asked") if view.withdrawn else _started(view)
    if view.gives_way and not view.withdrawn:
        rest = f" at step {step} for {view.gives_way}; it goes on from there when a slot is free"
        return Change("gave way", title, rest)
    if view.refused:
        return Change("stopped", title, f" before it began: {view.refused}")
    if view.withdrawn or view.status is RunStatus.STOPPED:
        return Change("stopped", title, f" at step {step}")
    return None


def _started(view: RunView) -> Change:
    if view.elsewhere is not None:
        return Change(
            "elsewhere", view.run.title, f" ({view.key}): {view.elsewhere} carries it out"
        )
    where = f" on {view.where}" if view.where else ""
    return Change("started", view.run.title, f" ({view.key}){where}")


def _completed(view: RunView) -> Change:
    progress = view.progress
    psnr = "" if progress.psnr is None else f", validation PSNR {progress.psnr:.2f} dB"
    took = None if progress.finish is None else progress.finish.seconds
    return Change("complete", view.run.title, f" in {duration(took)}{psnr}")


def _failed(view: RunView) -> Change:
    finish = view.progress.finish
    failure, message = (finish.failure, finish.message) if finish else (None, "")
    why = POLICIES[failure].why if failure in POLICIES else ""
    log = f"  log: {view.log}" if view.log.name else f"  tempo logs {view.key}"
    more = tuple(line for line in (f"  {why}" if why else "", log) if line)
    return Change("FAILED", view.run.title, f" ({failure}): {message}", more)
