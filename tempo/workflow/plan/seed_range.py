"""State how many runs adaptive seeds can lead to, and which of them are certain by now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tempo.core.records import Plan, PlannedRun
from tempo.core.seed_stages import SeedStages
from tempo.records.layout import Store
from tempo.records.seed_log import WAITING, SeedLook, opened_runs, read_looks, unopened_state


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRange:
    """What adaptive seeds can lead to: at least the first stage, at most every run of the plan.

    Attributes:
        first: ids of the runs of the first stage, references included.
        opened: ids of the runs that the looks so far have opened, first stage included.
        possible: ids of the opened runs and of those that a look may still open.
        most: how many runs there can be.
        looks: the looks so far, oldest first.
    """

    stages: SeedStages
    first: frozenset[str]
    opened: frozenset[str]
    possible: frozenset[str]
    most: int
    looks: tuple[SeedLook, ...]

    @classmethod
    def of(cls, plan: Plan, store: Store) -> SeedRange | None:
        """The range of a plan; None where its seeds are not adaptive."""
        if plan.stages is None:
            return None
        looks = read_looks(store, plan)
        opened = frozenset(run.run_id for run in opened_runs(plan, looks))
        waiting = {run.run_id for run in plan.runs if unopened_state(run, looks)[0] == WAITING}
        return cls(
            stages=plan.stages,
            first=frozenset(run.run_id for run in opened_runs(plan, ())),
            opened=opened,
            possible=opened | waiting,
            most=len(plan.distinct_runs),
            looks=looks,
        )

    def state(self, run: PlannedRun) -> str | None:
        """How a run stands that no look has opened; None for the others."""
        if run.run_id in self.opened:
            return None
        return ": ".join(unopened_state(run, self.looks))

    def sentences(self) -> Iterator[str]:
        """The range in words, and what the last look said."""
        yield (
            f"{self.stages}, {len(self.first)} to {self.most} runs with references: seeds are "
            "added only where a contrast is undecided"
        )
        if self.looks:
            yield self.looks[-1].sentence

    def to_json(self) -> dict[str, Any]:
        """The range as JSON values."""
        return {
            **self.stages.to_json(),
            "first_runs": len(self.first),
            "opened_runs": len(self.opened),
            "most_runs": self.most,
            "looks": [each.sentence for each in self.looks],
        }
