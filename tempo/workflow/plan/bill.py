"""Count what the networks of a plan weigh, and sum up what its runs cost by their prices."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tempo.core.records import Plan
from tempo.design.measurements import Measured
from tempo.design.run_cost import RunCost, elapsed, run_cost
from tempo.launch.scheduling.run_view import chain_costs
from tempo.records.prices import Price
from tempo.records.reuse import ReuseStatus
from tempo.spec.arch import ArchSpec
from tempo.spec.data import views_of
from tempo.spec.study import RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The price of a variant's steps, and the cost of one run of it."""

    price: Price
    cost: RunCost


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """All runs that are still to do, on the devices at hand. `disk` None: not known of all."""

    runs: int
    device_hours: float
    seconds: float
    slots: int
    disk: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The cost of every variant that has a price; `failed` says why others have none."""

    plan: Plan
    items: Mapping[str, Item]
    slots: int
    failed: Mapping[str, str]

    @classmethod
    def of(cls, plan: Plan, measured: Measured, slots: int, failed: Mapping[str, str]) -> Bill:
        items = {}
        for variant in plan.variants:
            price = None if variant.name in failed else measured.price(variant.config)
            if price is not None:
                items[variant.name] = Item(price=price, cost=run_cost(variant.config, price))
        return cls(plan=plan, items=items, slots=slots, failed=failed)

    @property
    def devices(self) -> str:
        """The devices that were measured, by name."""
        return ", ".join(sorted({item.price.device for item in self.items.values()}))

    def left(
        self,
        found: Mapping[str, ReuseStatus],
        *,
        stale_too: bool,
        among: Collection[str] | None = None,
    ) -> Sum:
        """What the runs cost that no result stands for yet; runs without a price are left out.

        All of the plan's runs, or those with an id in `among`.
        """
        runs = [
            run
            for run in self.plan.distinct_runs
            if (among is None or run.run_id in among)
            and run.variant in self.items
            and not found.get(run.run_id, ReuseStatus()).reusable(stale_too=stale_too)
        ]
        costs = [self.items[run.variant].cost for run in runs]
        disks = [cost.disk for cost in costs]
        alone = {run: cost.seconds for run, cost in zip(runs, costs, strict=True)}
        longest = max(chain_costs(alone).values(), default=0.0)
        return Sum(
            runs=len(runs),
            device_hours=sum(cost.device_hours for cost in costs),
            seconds=max(elapsed(alone.values(), self.slots), longest),
            slots=self.slots,
            disk=None if None in disks else sum(disk or 0 for disk in disks),
        )

    def to_json(self) -> dict[str, Any]:
        """The prices, and why others have none, as JSON values."""
        items = {
            name: {"price": asdict(item.price), "run": asdict(item.cost)}
            for name, item in self.items.items()
        }
        return {"prices": items, "unpriced": dict(self.failed)}


def count_all(plan: Plan) -> dict[str, dict[str, int]]:
    """What each variant's network weighs: parameters; MACs of a forward pass and bytes kept for
    the backward pass (float32), of one clip at the training crop."""
    from tempo.models.network_cost import Cost, count

    counted: dict[tuple[str, int, int], Cost] = {}
    out: dict[str, dict[str, int]] = {}
    for name, config in _networks(plan):
        crop = config.recipe.crop
        frames = _frames(config)
        key = config.arch.model_dump_json(), crop, frames
        if key not in counted:
            counted[key] = count(config.arch, frames=frames, height=crop, width=crop)
        out[name] = asdict(counted[key])
    return out


def describe_networks(plan: Plan) -> dict[str, list[str]]:
    """Each variant's network stage by stage, as lines; equal networks are described once."""
    from tempo.models.network_cost import summarise, text

    described: dict[Any, str] = {}
    out: dict[str, list[str]] = {}
    for name, config in _networks(plan):
        key = (config.arch.model_dump_json(), config.recipe.crop)
        if key in described:
            out[name] = [f"as {described[key]}"]
            continue
        described[key] = name
        crop = config.recipe.crop
        out[name] = text(summarise(config.arch, frames=_frames(config), height=crop, width=crop))
    return out


def _frames(config: RunConfig) -> int:
    """The frames that a network is counted for: two, and as many as the data shows to another."""
    return 2 if isinstance(config.arch, ArchSpec) else views_of(config.data)


def _networks(plan: Plan) -> Iterator[tuple[str, RunConfig]]:
    for variant in plan.variants:
        config = RunConfig.model_validate(variant.config)
        if config.method == "network":
            yield variant.name, config
