"""What a search has used of its budget."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from tempo.records.run_record import device_hours
from tempo.spec.search_section import SearchBudget
from tempo.tuning.trials import result_of, ticket_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """`trials`: those that ended; `device_hours`: of their runs; `hours`: in which one ran."""

    trials: int
    device_hours: float
    hours: float

    def exceeds(self, budget: SearchBudget) -> bool:
        """Whether no further trial may begin for the time that was used."""
        if budget.gpu_hours is not None and self.device_hours >= budget.gpu_hours:
            return True
        return budget.hours is not None and self.hours >= budget.hours


def spending(trials: Iterable[FrozenTrial], active: Sequence[float] = ()) -> Spending:
    """The time of all trials that ended, and of this driver's since they began (`active`)."""
    now = time.time()
    ended = [t for t in trials if ticket_of(t) is not None and t.state.is_finished()]
    spans = [tuple(span) for trial in ended for span in result_of(trial).get("spans", ())]
    spans += [(started, now, 1.0) for started in active]
    return Spending(
        trials=len(ended),
        device_hours=sum(device_hours(end - start, devices) for start, end, devices in spans),
        hours=device_hours(_union([(start, end) for start, end, _ in spans])),
    )


def _union(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that lie in at least one span."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total
