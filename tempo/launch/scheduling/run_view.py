"""What the pool knows of each run it carries out, and the order in which runs are started."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tempo.core.records import PlannedRun, RunSpec, RunStatus
from tempo.ledger.port import Owner
from tempo.records.event_log import Progress, Tail


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run to carry out. `cost` is its expected duration, in any unit that all requests share."""

    run: PlannedRun
    spec: RunSpec
    cost: float | None = None


@dataclass(slots=True, kw_only=True)
class RunView:
    """A run as the pool sees it now.

    Attributes:
        replicate: how many requests for the same variant were added before it.
        reused: it was complete before it was added; `beside` names the machine settings that
            differed then.
        outdated: results of attempts up to this number were made by other code and do not count.
        elsewhere: the process that carries the run out for another driver, if one does.
        queued: a cluster has accepted the job and has not started it.
        where: the host or slot of the newest attempt; `avoid`: those that lost a worker of it.
        lost: how often its worker died without recording an end.
        withdrawn: a stop was requested, so the run is not started again here.
        held_back: why it was not started, when a failure elsewhere says that it would fail too.
    """

    request: RunRequest
    tail: Tail
    status: RunStatus
    position: int
    replicate: int
    reused: bool = False
    beside: tuple[str, ...] = ()
    outdated: int = 0
    elsewhere: Owner | None = None
    queued: bool = False
    where: str = ""
    avoid: tuple[str, ...] = ()
    lost: int = 0
    attempt: int = 0
    not_before: float = 0.0
    withdrawn: bool = False
    held_back: str = ""
    log: Path = field(default_factory=Path)

    @property
    def run(self) -> PlannedRun:
        return self.request.run

    @property
    def key(self) -> str:
        return self.run.run_id

    @property
    def progress(self) -> Progress:
        return self.tail.progress

    @property
    def ended(self) -> bool:
        """Whether this pool will do nothing more for the run."""
        if self.status is RunStatus.RUNNING:
            return False
        done = self.status in {RunStatus.COMPLETE, RunStatus.FAILED}
        return done or self.withdrawn or bool(self.held_back)

    @property
    def share_done(self) -> float:
        """How much of the run is done, from 0 to 1."""
        if self.ended:
            return 1.0
        return self.progress.step / self.progress.total if self.progress.total else 0.0

    def read(self) -> None:
        """Update the progress from the events that were appended since the last read."""
        for _ in self.tail.read():
            pass


def precedence(view: RunView) -> tuple[int, float, int]:
    """Return the sort key of the order in which runs are started.

    Replicate by replicate, so that interim results cover all variants equally; within a replicate
    the longest first, so that no long run is left for the end (Graham 1969); runs of unknown cost
    before all others, and ties in the order they were added.
    """
    cost = view.request.cost
    return view.replicate, float("-inf") if cost is None else -cost, view.position
