"""Expand a spec into a plan, with what is recorded, counted and priced beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.counted import counted, listed_up_to
from tempo.core.errors import MissingError, SpecError
from tempo.core.records import Plan, PlannedRun
from tempo.design.expand import expand
from tempo.design.priorities import priorities
from tempo.records.layout import Store
from tempo.records.memory.derived_values import remembering
from tempo.records.prices import Prices
from tempo.records.reuse import ReuseStatus, other_studies, reuse_status
from tempo.records.rule_sentences import rule_ahead
from tempo.records.verdict_log import read_log
from tempo.spec.load import LoadedStudy
from tempo.spec.verdict import rule_of
from tempo.workflow.plan.bill import Bill, Sum, count_all, describe_networks
from tempo.workflow.plan.measurements import PlanMeasurements, processes_of
from tempo.workflow.plan.seed_forecast import PlanForecast, forecast_plan
from tempo.workflow.plan.seed_noise import SeedNoise, known_noise, power_statement
from tempo.workflow.plan.seed_range import SeedRange
from tempo.workflow.plan.start_costs import start_sentences
from tempo.workflow.run_options import RunOptions

if TYPE_CHECKING:
    import pandas as pd

    from tempo.workflow.observer import Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What a study would run, and what is known of it before.

    Attributes:
        plan: variants, runs and exclusions.
        found: what is recorded of each run, by run id.
        elsewhere: the other studies that planned a run, by run id.
        counts: parameters, MACs and activation bytes by variant; empty unless asked for.
        architectures: each network stage by stage, by variant; empty unless asked for.
        bill: what the study costs; None unless priced.
        noise: the seed noise that is recorded of this data; None where nothing tells it.
        power: which difference the seeds can detect; None where nothing tells the seed noise.
        seeds: how many runs adaptive seeds can lead to; None where every run is carried out.
        rule: sentences on what the verdicts will decide by; none of a search.
        starts: sentences on which variants take whose weights, and what those cost.
        root: the folder of records that `found` is from.
        reuse_stale: results that other code made are taken as they are.

    >>> import tempo
    >>> plan = tempo.load_study("ablations/se_dilation.yaml", profile="smoke").plan()
    >>> plan.table()[["variant", "state"]].values.tolist()[-1]
    ['V2', 'planned']
    """

    plan: Plan
    found: Mapping[str, ReuseStatus]
    elsewhere: Mapping[str, Sequence[str]]
    counts: Mapping[str, Mapping[str, int]]
    architectures: Mapping[str, Sequence[str]]
    bill: Bill | None
    noise: SeedNoise | None
    power: str | None
    seeds: SeedRange | None
    rule: tuple[str, ...]
    starts: tuple[str, ...]
    root: Path
    reuse_stale: bool

    def state(self, run: PlannedRun) -> str:
        """The state of a run: planned, complete or stale, and remarks on its result.

        Of a run that adaptive seeds do not ask for, or not yet: why.
        """
        if self.seeds is not None and (unopened := self.seeds.state(run)) is not None:
            return unopened
        found = self.found.get(run.run_id, ReuseStatus())
        if found.stale and not self.reuse_stale:
            return f"stale: {found.why}, will be made again (or --reuse-stale)"
        if not found.complete:
            return self._planned(run)
        others = self.elsewhere.get(run.run_id, ())
        said = [
            *([f"also of {', '.join(others)}"] if others else []),
            *([found.why] if found.stale else []),
            *found.beside,
        ]
        return f"complete ({'; '.join(said)})" if said else "complete"

    def _planned(self, run: PlannedRun) -> str:
        """The state of a run without a result: which runs it waits for, if any."""
        stale_too = self.reuse_stale
        waits = [
            each.run_id if each.run_id.startswith(each.source) else f"{each.source} s{run.seed}"
            for each in run.parents
            if each.run_id
            and not self.found.get(each.run_id, ReuseStatus()).reusable(stale_too=stale_too)
        ]
        return f"planned, after {' and '.join(waits)}" if waits else "planned"

    @property
    def priorities(self) -> Mapping[str, int]:
        """The priority of each variant, by which its runs take the next slot; empty where all
        have the same."""
        found = priorities(self.plan)
        return found if any(found.values()) else {}

    @property
    def reusable(self) -> list[str]:
        """The ids of the runs whose results are taken as they are."""
        found = self.found.items()
        return sorted(name for name, each in found if each.reusable(stale_too=self.reuse_stale))

    def table(self) -> pd.DataFrame:
        """One row a run: run_id, variant, seed, state, the factors' levels, and what was counted.

        `seed` is missing for references, which have nothing random. `priority` is a column where
        the spec gives some.
        """
        import pandas as pd

        priority = self.priorities

        variants = {variant.name: variant for variant in self.plan.variants}
        rows = [
            {
                "run_id": run.run_id,
                "variant": run.variant,
                "seed": run.seed,
                "role": variants[run.variant].role,
                "state": self.state(run),
                **({"priority": priority[run.variant]} if priority else {}),
                **variants[run.variant].levels,
                **self.counts.get(run.variant, {}),
            }
            for run in self.plan.runs
        ]
        return pd.DataFrame(rows).astype({"seed": "Int64"})

    def costs(self) -> pd.DataFrame:
        """One row a priced variant: steps, ms a step, peak memory in bytes, hours of a run.

        Raises:
            TempoError: the plan is not priced; `Study.price` measures the prices.
        """
        import pandas as pd

        bill = self._priced()
        rows = {
            name: {
                "steps": item.cost.steps,
                "step_ms": item.price.step_ms,
                "peak_memory": item.price.peak_memory,
                "setup_s": item.price.setup_s,
                "validation_s": item.price.validation_s,
                "evaluation_s": item.price.evaluation_s,
                "device_hours": item.cost.device_hours,
                "disk": item.cost.disk,
            }
            for name, item in bill.items.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("variant")

    def device_hours(self) -> float:
        """Hours on all devices of the runs that have no result yet; of adaptive seeds, at most."""
        return self.sums()["total"].device_hours

    def sums(self) -> dict[str, Sum]:
        """What is left to do by name: `total`, which adaptive seeds reach at most, and of those
        `next_look`, what is certain by now.

        Raises:
            TempoError: the plan is not priced; `Study.price` measures the prices.
        """
        bill = self._priced()
        kinds: dict[str, frozenset[str] | None] = {"total": None}
        if self.seeds is not None:
            kinds = {"total": self.seeds.possible, "next_look": self.seeds.opened}
        return {
            name: bill.left(self.found, stale_too=self.reuse_stale, among=ids)
            for name, ids in kinds.items()
        }

    def forecast(self) -> PlanForecast | None:
        """What becomes of the study at stated differences, by simulation from the seed noise.

        None where nothing tells the noise, or the plan can decide nothing.
        """
        return forecast_plan(self.plan, self.noise)

    def _priced(self) -> Bill:
        if self.bill is None:
            raise MissingError("this plan has no prices; `Study.price()` measures them")
        return self.bill

    def to_json(self) -> dict[str, Any]:
        """The plan and all that is known beside it, as JSON values."""
        value = self.plan.to_json() | {
            "counts": self.counts,
            "complete": self.reusable,
            "stale": sorted(name for name, each in self.found.items() if each.stale),
            "reused": {
                name: {
                    "studies": list(self.elsewhere.get(name, ())),
                    "beside": self.found[name].beside,
                }
                for name in self.reusable
            },
            "power": self.power,
            "rule": rule_of(self.plan).to_json(),
            "starts": self.starts,
            "priorities": dict(self.priorities),
        }
        if self.seeds is not None:
            value["adaptive_seeds"] = self.seeds.to_json()
            forecast = self.forecast()
            value["forecast"] = forecast.to_json() if forecast else None
        if self.bill:
            value |= self.bill.to_json()
            value |= {name: asdict(each) for name, each in self.sums().items()}
        return value

    def json_text(self) -> str:
        """The plan as JSON text, one line a variant and a run."""
        lines = (f"  {json.dumps(key)}: {_listed(each)}" for key, each in self.to_json().items())
        return "{\n" + ",\n".join(lines) + "\n}"

    def __str__(self) -> str:
        plan = self.plan
        head = (
            f"{plan.study}: {counted(len(plan.variants), 'variant')}, "
            f"{counted(len(plan.distinct_runs), 'run')}"
        )
        said = [f"{head}, {len(self.reusable)} complete"]
        said += self.starts
        said += self.seeds.sentences() if self.seeds is not None else ()
        return "\n".join([*said, self.table().to_string(index=False)])

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, na_rep="-")


def _listed(value: Any) -> str:
    """A list of records, one a line: indenting all of them takes ten times as long."""
    if not (isinstance(value, list | tuple) and value and isinstance(value[0], Mapping)):
        return json.dumps(value)
    return "[\n    " + ",\n    ".join(map(json.dumps, value)) + "\n  ]"


def measurements_for(loaded: LoadedStudy, options: RunOptions) -> PlanMeasurements:
    """What expanding the spec may ask of prices, widths and results."""
    return PlanMeasurements(
        store=options.store,
        cache=options.cache,
        world=processes_of(loaded.spec, options.ddp),
        stale_too=options.reuse_stale,
    )


def make_plan(loaded: LoadedStudy, options: RunOptions) -> Plan:
    """The plan of a loaded spec.

    Raises:
        SpecError: when the spec asks for what is not measured yet, or for what several processes
            cannot do.
    """
    known = measurements_for(loaded, options)
    plan = expand(loaded, known)
    _check_compile(plan, known.world)
    return plan


def _check_compile(plan: Plan, processes: int) -> None:
    """Raise a SpecError where runs of several processes are to compile by regions."""
    asked = [v.name for v in plan.variants if v.config["runtime"]["compile"] == "regions"]
    if processes > 1 and asked:
        raise SpecError(
            f"runtime.compile: regions is for runs of one process, and runs here have {processes} "
            f"(asked for by {listed_up_to(4, asked)}); set runtime.compile to default, or ask for "
            "one process"
        )


def price_study(
    loaded: LoadedStudy, options: RunOptions, observer: Observer, *, again: bool
) -> tuple[Plan, Bill]:
    """The plan with the price of every variant, measured where there is none, or all `again`.

    Variants are priced first as far as they are known without a price; what a plan decides by
    prices (equal GPU-hours, equal time of a step) is measured as it is decided.
    """
    from tempo.workflow.plan.pricing import price_plan, ready

    known = measurements_for(loaded, options)
    first = expand(loaded, replace(known, pricing=True))
    prices = Prices(options.store.root)
    checked, calibrator = ready(first, prices, known.cache, known.world, observer)
    failed = price_plan(first, checked, calibrator, observer, again=again)
    measuring = replace(known, measure=calibrator.price, device=checked.device)
    plan = first if failed else expand(loaded, measuring)
    if plan is not first:
        failed = price_plan(plan, checked, calibrator, observer, again=False)
    slots = options.slots or plan.spec["runtime"]["slots"] or len(checked.slots) // known.world
    return plan, Bill.of(plan, measuring, max(slots, 1), failed)


def study_plan(
    plan: Plan,
    options: RunOptions,
    *,
    counts: bool = False,
    architectures: bool = False,
    bill: Bill | None = None,
) -> StudyPlan:
    """A plan with what the records hold of its runs; `counts` and `architectures` import torch."""
    with remembering(options.store.root):
        view = _study_plan(plan, options, bill)
    if not (counts or architectures):
        return view
    return replace(
        view,
        counts=count_all(plan) if counts else {},
        architectures=describe_networks(plan) if architectures else {},
    )


def _study_plan(plan: Plan, options: RunOptions, bill: Bill | None) -> StudyPlan:
    """Return a plan with what the records hold of its runs."""
    store = options.store
    found = dict(_found(plan, store))
    complete = any(each.complete for each in found.values())
    reusable = {
        name for name, each in found.items() if each.reusable(stale_too=options.reuse_stale)
    }
    noise = known_noise(plan, store, reusable)
    return StudyPlan(
        plan=plan,
        found=found,
        elsewhere=other_studies(store, plan.study) if complete else {},
        counts={},
        architectures={},
        bill=bill,
        noise=noise,
        power=power_statement(plan, noise),
        seeds=SeedRange.of(plan, store),
        rule=tuple(rule_ahead(rule_of(plan), read_log(store, plan))),
        starts=tuple(start_sentences(plan, bill, store)),
        root=store.root,
        reuse_stale=options.reuse_stale,
    )


def _found(plan: Plan, store: Store) -> Iterator[tuple[str, ReuseStatus]]:
    """What is recorded of each run that is recorded at all."""
    runs = store.root / "runs"
    there = {path.name for path in runs.iterdir()} if runs.is_dir() else set()
    configs = {variant.name: variant.config for variant in plan.variants}
    for run in plan.distinct_runs:
        if run.run_id in there:
            config = configs[run.variant]
            folder, plugins = store.run_dir(run.run_id), config.get("plugins") or ()
            yield run.run_id, reuse_status(folder, config["runtime"], plugins)
