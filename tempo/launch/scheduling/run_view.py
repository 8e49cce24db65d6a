"""Requests and views of the runs that the pool carries out, their cost and order of start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec, RunStatus
from tempo.design.priorities import priorities
from tempo.design.run_cost import known_cost
from tempo.ledger.port import Owner
from tempo.records.event_log import Tail
from tempo.records.prices import Prices
from tempo.records.progress import Progress
from tempo.spec.data import recorded_data


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run to carry out. `cost` is its expected duration, in any unit that all requests share;
    a higher `priority` begins first."""

    run: PlannedRun
    spec: RunSpec
    cost: float | None = None
    priority: int = 0


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
        losses: a sentence for each time that a worker left the run without ending it: it died, or
            lost its lease.
        silent: what is known of a worker that lives and does not renew its lease any more; empty
            while it does.
        priority: that of its variant, added to that of the invocation.
        gives_way: for whom it was asked to checkpoint and leave its slot; empty while it was not.
        withdrawn: a stop was requested, so the run is not started again here.
        refused: why its worker left before it began, as when a budget is used up.
        pruned: a search stopped it because its trial is not worth finishing.
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
    losses: tuple[str, ...] = ()
    silent: str = ""
    priority: int = 0
    gives_way: str = ""
    attempt: int = 0
    not_before: float = 0.0
    withdrawn: bool = False
    refused: str = ""
    pruned: bool = False
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
    def complete(self) -> bool:
        """Whether the newest attempt has a result that counts."""
        finish, counts = self.progress.finish, self.progress.attempt > self.outdated
        return counts and finish is not None and finish.status == RunStatus.COMPLETE

    @property
    def failed(self) -> bool:
        finish = self.progress.finish
        return finish is not None and finish.status == RunStatus.FAILED

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


def precedence(view: RunView) -> tuple[int, int, float, int]:
    """Return the sort key of the order in which runs are started.

    The highest priority first; then replicate by replicate, so that interim results cover all
    variants equally; within a replicate the longest first, so that no long run is left for the end
    (Graham 1969); runs of unknown cost before all others, and ties in the order they were added.
    """
    cost = view.request.cost
    longest = float("-inf") if cost is None else -cost
    return -view.priority, view.replicate, longest, view.position


def why_fallen(parent: RunView) -> str:
    """Say why a run cannot start from the weights of a run that ended without a result."""
    name = f"it builds on {parent.run.title}"
    if parent.status is RunStatus.FAILED:
        finish = parent.progress.finish
        cause = finish.message if finish is not None else "the worker died"
        return f"{name}, which failed: {cause}"
    if parent.held_back:
        return f"{name}, which was held back: {parent.held_back}"
    return f"{name}, which was stopped"


def run_requests(
    plan: Plan,
    prices: Prices | None = None,
    device: str = "cpu",
    weights: Mapping[str, float] | None = None,
) -> list[RunRequest]:
    """Return a request for each distinct run of a plan, with its expected cost.

    A run that others wait for costs what the longest chain behind it takes as well, so that it is
    not begun last.
    """
    alone = variant_costs(plan.variants, prices, device, weights or {})
    cost = chain_costs({run: alone[run.variant] for run in plan.distinct_runs})
    priority = priorities(plan)
    return [
        RunRequest(run=run, spec=spec, cost=cost[run.run_id], priority=priority[run.variant])
        for run, spec in plan.specs()
    ]


def chain_costs(alone: Mapping[PlannedRun, float]) -> dict[str, float]:
    """Return, by run id, the cost of each run with the longest chain of runs that wait for it.

    `alone` holds runs behind those whose weights they take, as a plan does.
    """
    behind = dict.fromkeys((run.run_id for run in alone), 0.0)
    total: dict[str, float] = {}
    for run, cost in reversed(list(alone.items())):
        total[run.run_id] = cost + behind[run.run_id]
        for parent in run.parents:
            if parent.run_id in behind:
                behind[parent.run_id] = max(behind[parent.run_id], total[run.run_id])
    return total


def variant_costs(
    variants: Sequence[PlannedVariant],
    prices: Prices | None,
    device: str,
    weights: Mapping[str, float],
) -> dict[str, float]:
    """Return the cost of a run of each variant, in one unit for all of them.

    By measured price (seconds) where every variant has one on `device`; else by `weights`, the
    relative work of a clip by variant; else by the pixels that a run trains on. References cost 0.
    """
    trained = [each for each in variants if each.config["method"] == "network"]
    cost = dict.fromkeys((each.name for each in variants), 0.0)
    known: dict[str, float] = {}
    for each in trained:
        price = prices.get(each.config, device) if prices else None
        found = known_cost(each.config, price) if price else None
        if found is not None:
            known[each.name] = found.seconds
    if len(known) == len(trained):
        return cost | known
    weighted = all(each.name in weights for each in trained)
    for each in trained:
        recipe = each.config["recipe"]
        whole = float(recipe["crop"]) ** 2
        work = weights[each.name] / whole if weighted else 1.0
        cost[each.name] = work * _pixels(each.config)
    return cost


def _pixels(config: Mapping[str, Any]) -> float:
    """Return the pixels of all training clips that a run sees, in every stage; in those of an epoch
    where their number is not known."""
    recipe = config["recipe"]
    stages = [recipe, *recipe.get("stages", ())]
    sides = [float(stage["crop"] or recipe["crop"]) for stage in stages]
    datasets = [stage.get("data") or config["data"] for stage in stages]
    clips = [
        _clips(stage["budget"], recipe["batch"], data)
        for stage, data in zip(stages, datasets, strict=True)
    ]
    return sum(side**2 * count for side, count in zip(sides, clips, strict=True))


def _clips(budget: Mapping[str, Any], batch: int, data: Mapping[str, Any]) -> float:
    if budget.get("steps") is not None:
        return float(budget["steps"] * batch)
    if budget.get("clips") is not None:
        return float(budget["clips"])
    clips = recorded_data(data, "train").get("train_clips") or 1
    return float(budget["epochs"] * clips)
