"""Read the keep policies of plans, each over what the user's profile says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tempo.core.errors import RecordError
from tempo.core.records import Plan
from tempo.records.layout import Store, read_plan
from tempo.records.reuse import planned_run_ids
from tempo.spec.sections.keep import Keep


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """A plan and what it keeps."""

    plan: Plan
    keep: Keep


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of plans. `unknown`: runs of plans that cannot be read, of which nothing may go;
    `problems`: why, by the plan's file."""

    plans: tuple[PlanPolicy, ...]
    unknown: frozenset[str]
    problems: tuple[str, ...] = ()

    @property
    def let_go(self) -> bool:
        """Whether one of them lets anything go."""
        return any(each.keep.lets_go for each in self.plans)


def policy_of(plan: Plan, profile: Keep) -> Keep:
    """Return what a plan keeps: as its spec says, and where that is silent as the profile does.

    Raises:
        RecordError: when what is recorded is no policy.
    """
    try:
        return Keep.model_validate(plan.spec.get("keep") or {}).over(profile)
    except ValidationError as error:
        raise RecordError(
            f"the plan of {plan.study} holds a `keep` that is no policy ({error.error_count()} "
            "rules broken): run the study again, which writes the plan anew"
        ) from error


def policies_of(store: Store, profile: Keep, plan: Plan | None = None) -> Policies:
    """Return the policies of every stored plan; with `plan`, of that plan and of those stored ones
    that share a run with it."""
    found = [PlanPolicy(plan, policy_of(plan, profile))] if plan is not None else []
    runs = None if plan is None else all_runs(plan)
    unknown: set[str] = set()
    problems: list[str] = []
    for path in _stored(store):
        if plan is not None and (path.parents[1].name, path.stem) == (
            plan.study,
            plan.profile_name,
        ):
            continue
        try:
            ids = planned_run_ids(path)
            if runs is not None and runs.isdisjoint(ids):
                continue
            stored = read_plan(path)
            found.append(PlanPolicy(stored, policy_of(stored, profile)))
        except RecordError as error:
            problems.append(str(error))
            unknown |= _mentioned(path)
    return Policies(tuple(found), frozenset(unknown), tuple(problems))


def all_runs(plan: Plan) -> set[str]:
    """Return the ids of a plan's runs and evaluations."""
    return {run.run_id for run in (*plan.runs, *plan.evaluations)}


def _stored(store: Store) -> Iterator[Path]:
    yield from sorted((store.root / "studies").glob("*/plans/*.json"))


def _mentioned(path: Path) -> set[str]:
    try:
        return planned_run_ids(path)
    except RecordError:
        return set()
