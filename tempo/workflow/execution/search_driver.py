"""Carry out a search: trials into the pool, validations to the pruner, results to the search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from tempo.core.records import RunStatus
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunRequest, RunView
from tempo.tuning.session import Search
from tempo.tuning.trials import Trial

ASK_PAUSE = 1.0
"""Seconds before asking again while other drivers hold all trials that are left."""

Say = Callable[[str], None]


class SearchDriver:
    """Feeds a pool with the runs of a search. Every free slot gets the next trial at once.

    Args:
        width: most runs side by side.
        grown: called whenever there is a new trial.
    """

    def __init__(
        self, search: Search, pool: Pool, width: int, say: Say, grown: Callable[[], None]
    ) -> None:
        self._search, self._pool, self._width = search, pool, width
        self._say, self._grown = say, grown
        self._active: list[Trial] = []
        self._wanted: dict[str, list[tuple[Trial, int]]] = {}
        self._stopped: set[str] = set()
        self._next = 0.0
        self._over = False

    @property
    def busy(self) -> bool:
        """Whether trials are left for this driver."""
        if self._pool.stopping:
            return self._pool.busy
        return not self._over

    def step(self) -> None:
        """Look at what happened, and begin what there is room for."""
        for view in self._pool.step():
            self._ended(view)
        for trial in list(self._active):
            if self._search.observe(trial):
                self._say(f"pruned    {trial.name} at step {max(trial.steps)}")
                self._close(trial)
        if not self._pool.stopping:
            self._fill()

    def leave(self) -> None:
        """Give the unfinished trials back, for the driver that continues the search."""
        for trial in self._active:
            self._search.abandon(trial)
        self._active.clear()

    def _fill(self) -> None:
        asked = False
        while self._running() < self._width and time.monotonic() >= self._next:
            trial = self._search.ask(self._active)
            asked = True
            if trial is None:
                self._next = time.monotonic() + ASK_PAUSE
                break
            self._active.append(trial)
            self._grown()
            self._add(trial, self._search.begin(trial))
        if asked and not self._active:
            self._over = self._search.finished()

    def _running(self) -> int:
        return sum(not view.ended for view in self._pool.views.values())

    def _add(self, trial: Trial, seeds: Iterable[int]) -> None:
        works = []
        for seed in seeds:
            run = trial.runs[seed]
            self._wanted.setdefault(run.run_id, []).append((trial, seed))
            works.append(RunRequest(run=run, spec=trial.spec(seed)))
        self._pool.add(works)

    def _ended(self, view: RunView) -> None:
        for trial, seed in self._wanted.pop(view.key, ()):
            if trial.over:
                continue
            if view.status is RunStatus.COMPLETE:
                self._add(trial, self._search.completed(trial, seed))
            elif view.status is RunStatus.FAILED:
                finish = view.progress.finish
                self._search.failed(trial, seed, finish.message if finish else "it died")
            elif view.held_back:
                self._search.failed(trial, seed, view.held_back)
            elif view.key in self._stopped:
                # Pruned as one trial, and asked for again by another that is the same point.
                self._add(trial, [seed])
            elif not self._pool.stopping:
                self._search.failed(trial, seed, "stopped on request")
            if trial.over:
                self._close(trial)
        self._stopped.discard(view.key)

    def _close(self, trial: Trial) -> None:
        """End a trial: stop its runs that no other trial waits for."""
        self._active.remove(trial)
        for run in trial.runs.values():
            view = self._pool.views.get(run.run_id)
            others = [one for one, _ in self._wanted.get(run.run_id, ()) if not one.over]
            if view is not None and not view.ended and not others:
                self._stopped.add(view.key)
                self._pool.stop([view.key])
