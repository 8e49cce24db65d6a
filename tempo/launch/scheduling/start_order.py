"""Which run begins first."""

from __future__ import annotations

from tempo.launch.scheduling.run_view import RunView


def precedence(view: RunView) -> tuple[int, float, int]:
    """Sorts runs into the order to begin them.

    Replicate by replicate, so that results so far say as much of every variant as of any other;
    within a replicate the longest first, so that no long run is left for the end (Graham 1969);
    what has no known cost comes before what has one, and equals keep the order they were added in.
    """
    cost = view.work.cost
    return view.replicate, float("-inf") if cost is None else -cost, view.position
