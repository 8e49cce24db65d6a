"""Request the evaluations of a plan on its further test sets, once the sets are found here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from tempo.core.counted import counted
from tempo.core.errors import MissingError
from tempo.core.records import Plan
from tempo.design.priorities import priorities
from tempo.launch.scheduling.run_view import RunRequest
from tempo.records.layout import Store
from tempo.records.reuse import reuse_status
from tempo.spec.sections.test_sets import TestSetEntry, own_clips


def evaluation_requests(plan: Plan, judged: Collection[str]) -> list[RunRequest]:
    """Return a request for each evaluation of a run in `judged`, and of the methods of others.

    An evaluation costs little beside training, so it begins after the runs of its replicate.
    """
    names = {each.run_id: each for each in plan.evaluations}
    priority = priorities(plan)
    return [
        RunRequest(
            run=names[run.run_id],
            spec=on.spec_of(run),
            cost=0.0,
            priority=priority.get(run.variant, 0),
        )
        for on in (plan.on(each.name) for each in plan.test_sets)
        for run in on.distinct_runs
        if not run.parents or run.parents[0].run_id in judged
    ]


def evaluations_left(plan: Plan, store: Store, *, reuse_stale: bool = False) -> set[str]:
    """Return the ids of the evaluations whose recorded results are not taken as they are."""
    plugins = plan.spec.get("plugins") or ()
    return {
        run.run_id
        for run in plan.evaluations
        if not reuse_status(store.run_dir(run.run_id), plugins=plugins).reusable(
            stale_too=reuse_stale
        )
    }


def check_test_sets(plan: Plan, left: Collection[str]) -> None:
    """Check that the sets with evaluations left, and the pictures of methods, are on this machine.

    Raises:
        MissingError: naming every set and folder that is not there, and how to get it.
    """
    needed = [each for each in plan.test_sets if any(run.run_id in left for run in each.runs)]
    problems = [why for each in needed for why in _absent(TestSetEntry(**each.options))]
    folders = {
        method.config["other"]["folder"]
        for each in needed
        for method in each.methods
        if method.config.get("other")
    }
    problems += [why for folder in sorted(filter(None, folders)) for why in _no_pictures(folder)]
    if problems:
        said = "\n  ".join(problems)
        raise MissingError(
            f"{plan.study} cannot be evaluated on all of its test sets here:\n  {said}\nTake what "
            "is missing out of evaluation.test_sets and evaluation.methods, or put it in its place"
        )


def _absent(entry: TestSetEntry) -> Iterator[str]:
    from tempo.data.open_dataset import check_alone
    from tempo.data.testsets import open_test_set

    try:
        if entry.set:
            clips = open_test_set(entry.set, entry.root or None)
            if entry.subset:
                clips.subset(Path(entry.subset))
        else:
            check_alone(own_clips(entry), "test")
    except MissingError as error:
        yield str(error)


def _no_pictures(folder: str) -> Iterator[str]:
    if not any(Path(folder).rglob("*.*")):
        yield f"evaluation.methods: {folder} holds no pictures of a method"


def described(plan: Plan) -> str:
    """Return a sentence on what is judged beside the study's own test split; empty if nothing."""
    if not plan.test_sets:
        return ""
    titles = ", ".join(each.title for each in plan.test_sets)
    sets = counted(len(plan.test_sets), "further test set")
    return (
        f"Every finished run is evaluated on {sets} ({titles}): "
        f"{counted(len(plan.evaluations), 'evaluation')}."
    )
