"""Keep the runs that wait for a slot in the order in which they begin."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable

from tempo.launch.scheduling.run_view import RunView, precedence


class WaitingRuns:
    """Runs without a job, sorted by precedence; those that ended meanwhile are passed over.

    To take a few of many costs what is passed over on the way, not what there is: a pool asks
    whenever a slot is free.
    """

    def __init__(self) -> None:
        self._runs: list[RunView] = []
        self._keys: set[str] = set()

    def add(self, views: Iterable[RunView]) -> None:
        """Have these wait as well, unless they do; many at once are sorted once."""
        added = [view for view in views if view.key not in self._keys]
        self._keys |= {view.key for view in added}
        if len(added) == 1:
            insort(self._runs, added[0], key=precedence)
            return
        self._runs += added
        self._runs.sort(key=precedence)

    def forget(self, key: str) -> None:
        """Have a run wait no more."""
        if key in self._keys:
            self._keys.discard(key)
            self._runs = [view for view in self._runs if view.key != key]

    def take(self, room: int, may_begin: Callable[[RunView], bool]) -> list[RunView]:
        """Remove and return the first `room` runs that may begin."""
        taken: list[RunView] = []
        kept: list[RunView] = []
        seen = 0
        for view in self._runs:
            if len(taken) == room:
                break
            seen += 1
            if not view.ended and may_begin(view):
                taken.append(view)
            elif not view.ended:
                kept.append(view)
            else:
                self._keys.discard(view.key)
        self._runs[:seen] = kept
        self._keys.difference_update(view.key for view in taken)
        return taken
