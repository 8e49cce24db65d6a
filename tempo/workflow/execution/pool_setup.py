"""Open the pool that carries a plan's runs out, once the machine and every variant are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from tempo.core.counted import counted
from tempo.core.errors import MissingError, RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.launch.accounting.gpu_usage import runs_that_fit, share_gpus, smallest_gpu
from tempo.launch.accounting.resource_needs import Needs
from tempo.launch.launchers.catalog import LauncherContext
from tempo.launch.launchers.worker_processes import NewProcesses, limits_here, make_start
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import run_requests
from tempo.launch.scheduling.slot_table import SlotTable, default_path
from tempo.launch.worker_command import call_worker
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store
from tempo.records.parent_runs import unready_parent
from tempo.records.prices import Prices
from tempo.records.seed_log import opened_runs
from tempo.workflow.execution.launch_setup import LaunchSetup
from tempo.workflow.execution.test_set_runs import check_test_sets, evaluation_requests
from tempo.workflow.observer import Observer
from tempo.workflow.plan.machine_check import Checked, check, find_slots
from tempo.workflow.run_options import RunOptions

PRELOAD = ("tempo.train.run.run_folder", "torch._dynamo")
"""What every worker imports, loaded once."""

Wanted = Callable[[Store, PlannedRun], bool]
"""Whether a run of the plan is to be carried out."""


def open_pool(setup: LaunchSetup, observer: Observer, wanted: Wanted | None = None) -> Pool:
    """A pool of a plan's runs that have no result yet, of all or of the `wanted` ones.

    Raises:
        MissingError: this machine lacks something; nothing was begun.
        SpecError: a variant does not work; nothing was begun.
    """
    store = setup.store
    to_go = [run for run, _ in setup.left_to_do() if not wanted or wanted(store, run)]
    todo = {run.variant for run in to_go}
    check_parents(setup.plan, to_go, store)
    to_judge = setup.evaluations_left()
    check_test_sets(setup.plan, to_judge)
    if todo:
        setup.guard_budget(to_go)
    pool, checked = _pool(setup, observer, todo, judging=bool(to_judge))
    works = run_requests(setup.opened, Prices(store.root), checked.device, checked.weights)
    pool.add(work for work in works if not wanted or wanted(store, work.run))
    return pool


def add_evaluations(pool: Pool, setup: LaunchSetup, wanted: Wanted | None = None) -> None:
    """Add the evaluations on further test sets of the runs that are in the pool or complete."""
    judged = {run.run_id for run in setup.opened.distinct_runs}
    works = evaluation_requests(setup.plan, judged)
    if wanted is not None:
        there = pool.views.keys()
        ready = {
            work.run.run_id
            for work in works
            if all(each.run_id in there for each in work.run.parents)
            or not unready_parent(setup.store.root / "runs", work.run.parents)
        }
        works = [work for work in works if work.run.run_id in ready]
        works = [work for work in works if wanted(setup.store, work.run)]
    pool.add(works)


def check_parents(plan: Plan, to_go: Sequence[PlannedRun], store: Store) -> None:
    """Check that every run to carry out finds its parents: with a result, or among the others.

    Raises:
        RecordError: naming the run, and the parent that has no result and is not carried out here.
    """
    begun = {run.run_id for run in to_go}
    for run in to_go:
        absent = [each for each in run.parents if each.run_id not in begun]
        if why := unready_parent(store.root / "runs", absent):
            raise RecordError(
                f"{run.title} cannot be trained: {why}, and it is not carried out by this command; "
                "carry it out first, or give a command for both"
            )


def open_empty_pool(setup: LaunchSetup, observer: Observer, *, check: bool) -> Pool:
    """A pool for runs to come, as a search has it: every variant of the plan is checked.

    Without `check` nothing is, because no run will come.
    """
    todo = {run.variant for run in setup.plan.runs} if check else set()
    return _pool(setup, observer, todo)[0]


def _pool(
    setup: LaunchSetup, observer: Observer, todo: Iterable[str], *, judging: bool = False
) -> tuple[Pool, Checked]:
    """An empty pool, once the variants `todo` were checked; `judging`: for evaluations, too."""
    plan, store, options, needs = setup.plan, setup.store, setup.options, setup.needs
    # Before the checks, which take a while: whether there is a cluster is known at once.
    queue = setup.launcher(LauncherContext(say=observer.note)) if setup.queued else None
    checked = Checked(({},), {})
    server = make_start(call_worker, PRELOAD)
    local = options.launcher == "local"
    if local and (todo or judging):
        server.warm()
    asked_of = server if local else NewProcesses()
    if todo and not options.checked:
        if limits := limits_here():
            observer.note(limits)
        observer.note(f"{plan.study}: {_size(plan)}. Checking before anything is trained ...")
        there = _as_on_login_node(plan) if setup.queued else plan
        checked = check(there, sorted(todo), options.cache, store.root, observer, asked_of)
    elif (todo or judging) and not setup.queued:
        checked = find_slots(plan, options.cache, asked_of)
    asked = options.slots or plan.spec["runtime"]["slots"]
    shared = _shared(plan, store, needs, checked)
    slots = limit_slots(shared, asked, needs.processes.per_node)
    context = LauncherContext(
        slots=slots,
        natural=limit_slots(shared, None, needs.processes.per_node),
        table=_slot_table(plan, options, observer),
        start=server,
        say=observer.note,
    )
    launcher = queue or setup.launcher(context)
    pool = Pool(
        store,
        launcher,
        open_ledger(None, store.root),
        command=setup.argv,
        resources=setup.resources,
        limit=setup.most_jobs,
        priority=options.priority,
        fail_fast=options.fail_fast,
        reuse_stale=options.reuse_stale,
    )
    return pool, checked


def _slot_table(plan: Plan, options: RunOptions, observer: Observer) -> SlotTable | None:
    """The list of slots that all invocations on this machine share; None where there is none."""
    path = default_path() if options.launcher == "local" else None
    if path is None:
        return None
    return SlotTable(path, plan.study, preempt=options.preempt, say=observer.note)


def _size(plan: Plan) -> str:
    seeds = len({run.seed for run in plan.runs} - {None})
    variants = sum(variant.role != "reference" for variant in plan.variants)
    runs = len(plan.distinct_runs)
    if plan.stages is None:
        said = f"{counted(variants, 'variant')} x {counted(seeds, 'seed')}"
        return f"{said}, {counted(runs, 'run')} with references"
    least = len({run.run_id for run in opened_runs(plan, ())})
    return (
        f"{counted(variants, 'variant')} x {plan.stages.first} to {seeds} seeds, {least} to {runs} "
        "runs with references"
    )


def _as_on_login_node(plan: Plan) -> Plan:
    """The plan as a login node can rehearse it: without the cluster's GPUs and their precision."""
    variants = []
    for variant in plan.variants:
        runtime = {**variant.config["runtime"], "device": "cpu", "compile": "off"}
        recipe = {**variant.config["recipe"], "precision": "fp32"}
        config = {**variant.config, "runtime": runtime, "recipe": recipe}
        variants.append(replace(variant, config=config))
    return replace(plan, variants=tuple(variants))


Slot = Mapping[str, str]
"""The environment of a run's process, such as the GPU that the run owns."""


def limit_slots(slots: Sequence[Slot], wanted: int | None, processes: int) -> Sequence[Slot]:
    """One slot for each run side by side: `processes` devices each, at most `wanted` runs.

    More runs than there are devices, when asked for, share the devices in turn.

    Raises:
        MissingError: when one run needs more GPUs than there are.
    """
    if processes > 1:
        groups = [slots[i : i + processes] for i in range(0, len(slots), processes)]
        whole = [_joined(group) for group in groups if len(group) == processes]
        if not whole and slots[0]:
            raise MissingError(
                f"{processes} processes per run need {processes} GPUs, this machine shows "
                f"{len(slots)}; ask for fewer (--ddp), or train on the CPU "
                "(--set runtime.device=cpu)"
            )
        slots = whole or [_joined(slots)]
    return slots if wanted is None else [slots[n % len(slots)] for n in range(wanted)]


def _shared(plan: Plan, store: Store, needs: Needs, checked: Checked) -> Sequence[Slot]:
    """The slots, several on a GPU where the spec lets small runs share one."""
    asked = needs.wanted.runs_per_gpu
    if asked == 1 or needs.processes.per_node > 1:
        return checked.slots
    trained = [each.config for each in plan.variants if each.config["method"] == "network"]
    prices = [Prices(store.root).get(config, checked.device) for config in trained]
    return share_gpus(checked.slots, runs_that_fit(asked, prices, smallest_gpu()))


def _joined(slots: Sequence[Slot]) -> Slot:
    """The environment of one run on the devices of several slots."""
    return {name: ",".join(slot[name] for slot in slots) for name in slots[0]}
