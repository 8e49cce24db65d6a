"""A run as those who carry it out see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tempo.core.records import PlannedRun, RunSpec, RunStatus
from tempo.ledger.port import Owner
from tempo.records.event_tail import Progress, Tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A run to carry out. `cost` says how long it takes, in any unit that all works share."""

    run: PlannedRun
    spec: RunSpec
    cost: float | None = None


@dataclass(slots=True, kw_only=True)
class RunView:
    """A run as the pool sees it now.

    Attributes:
        replicate: how many works of the same variant were added before it.
        reused: it was complete before it was added; `beside` says under what other machine
            settings.
        outdated: attempts up to this one were made by other code and are not taken.
        elsewhere: who carries it out, while that is another invocation.
        queued: a cluster has it and has not begun it.
        where: the host or slot that executes it, or did last; `avoid`: those that lost it.
        lost: how often its worker died without an end of its own.
        withdrawn: it was asked to stop, and is not begun again here.
        held_back: why it was not begun, when a failure elsewhere says that it would fail too.
    """

    work: Work
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
        return self.work.run

    @property
    def key(self) -> str:
        return self.work.run.run_id

    @property
    def progress(self) -> Progress:
        return self.tail.progress

    @property
    def ended(self) -> bool:
        """Whether nothing more becomes of it here."""
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
        """Take in what its worker wrote since the last time."""
        for _ in self.tail.read():
            pass
