"""Answer what a plan asks of prices, widths and results: from records, by counting or measuring.

States as well which difference the seeds of a plan can detect, from the seed noise recorded so far.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tempo.core.code_stamp import code_stamp
from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.core.records import Plan
from tempo.core.t_interval import pooled_variance
from tempo.design.measurements import Width, nearest_width
from tempo.records.event_log import is_complete
from tempo.records.files import write_json
from tempo.records.layout import Store
from tempo.records.prices import Price, Prices
from tempo.records.reuse import reuse_status
from tempo.records.run_record import read_result, read_run
from tempo.spec.study import StudySpec

Config = Mapping[str, Any]
Measure = Callable[[Config], Price]


class NoPriceError(Exception):
    """Says that a config has no price, and that none is measured now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMeasurements:
    """Looks prices, widths and results up below a folder of records.

    Args:
        cache: folder of decoded pictures, for networks that are counted.
        world: processes of a run.
        stale_too: whether results of other code count.
        pricing: the plan is made only to price its variants.
        measure: prices a config that has no price; None leaves it without.
        device: whose prices count; None takes the newest.
    """

    store: Store
    cache: Path
    world: int = 1
    stale_too: bool = False
    pricing: bool = False
    measure: Measure | None = None
    device: str | None = None

    def price(self, config: Config) -> Price | None:
        world = self.world if config["method"] == "network" else 1
        known = [
            each
            for each in Prices(self.store.root).known(config, world)
            if self.device in {None, each.device} or config["runtime"]["device"] == "cpu"
        ]
        if known:
            return known[0]
        return self.measure(config) if self.measure else None

    def width(self, config: Config, target: Config, by: str) -> Width | None:
        if by == "step_time":
            return self._width_by_time(config, target)
        asked = {"config": dict(config), "target": dict(target), "by": by}
        key = short_hash({"asked": _counted(asked), "code": code_stamp()})
        path = self.store.root / "prices" / "widths" / f"{key}.json"
        if not path.is_file():
            from tempo.workflow.plan.machine_check import find_width

            write_json(path, asdict(find_width(asked, self.cache)))
        return Width(**json.loads(path.read_text()))

    def _width_by_time(self, config: Config, target: Config) -> Width | None:
        def at(width: int) -> float:
            return self._step_ms({**config, "arch": {**config["arch"], "base_channels": width}})

        try:
            return nearest_width(at, self._step_ms(target))
        except NoPriceError:
            return None

    def _step_ms(self, config: Config) -> float:
        price = self.price(config)
        if price is None:
            raise NoPriceError
        return price.step_ms

    def quality(self, run_id: str) -> float | None:
        folder = self.store.run_dir(run_id)
        if not reuse_status(folder).reusable(stale_too=self.stale_too):
            return None
        run = read_run(folder, without=("train", "image"))
        found = [each.values["psnr"] for each in run.validations]
        if not found:
            return None
        return found[-1] if run.spec.config["evaluation"]["select"] == "last" else max(found)


def processes_of(spec: StudySpec, ddp: int) -> int:
    """Processes of a run: as many as asked for, or one for each of its GPUs."""
    own = spec.resources.gpus_per_run if spec.runtime.device != "cpu" else 1
    return max(ddp, own) * spec.resources.nodes


def _counted(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a count depends on: the networks and the crop that they are counted for."""
    both = {name: asked[name] for name in ("config", "target")}
    return {"by": asked["by"]} | {
        name: {"arch": each["arch"], "crop": each["recipe"]["crop"]} for name, each in both.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedNoise:
    """The standard deviation of a variant's test PSNR over seeds, in dB, pooled over variants."""

    sd: float
    df: int
    studies: tuple[str, ...]


def known_noise(plan: Plan, store: Store, reusable: Collection[str]) -> SeedNoise | None:
    """The seed noise of this study's results or, before there are any, of other studies on the
    same data, judged alike; None where nothing tells it."""
    return _of_plan(plan, store, reusable) or _elsewhere(plan, store)


def power_statement(plan: Plan, noise: SeedNoise | None) -> str | None:
    """`3 seeds at a noise of s dB can detect >= x dB`; None where nothing tells the noise.

    The power is that of the test that the comparison does (`compare`).
    """
    seeds = len({run.seed for run in plan.runs} - {None})
    if noise is None or not seeds:
        return None
    from tempo.comparison.statistics.power import detectable, detectable_range, expected_noise

    trained = sum(variant.role != "reference" for variant in plan.variants)
    expected = expected_noise(
        seed_sd=math.sqrt(2) * noise.sd, variants=max(trained, 2), seed_df=noise.df
    )
    smallest, ends = detectable(expected, seeds), detectable_range(expected, seeds)
    most = "" if plan.stages is None else "at most "
    said = f"{most}{seeds} seed{'s' * (seeds > 1)} at a noise of {noise.sd:.3f} dB between seeds"
    where = f"(PSNR, from {', '.join(noise.studies)}, {noise.df} degrees of freedom)"
    if smallest is None:
        return f"{said} {where} can detect no difference, however large: it takes 3"
    between = "" if ends is None else f" ({ends[0]:.3f} to {ends[1]:.3f}, as the noise may be)"
    return (
        f"{said} {where} can detect >= {smallest:.3f} dB{between}: one contrast, 80 % power, "
        "two-sided 5 %; the draw of the test clips comes on top"
    )


def _of_plan(plan: Plan, store: Store, ids: Collection[str]) -> SeedNoise | None:
    values: dict[str, list[float]] = {}
    for run in plan.runs:
        if run.seed is not None and run.run_id in ids:
            values.setdefault(run.variant, []).extend(_tested(store, run.run_id))
    return _pooled(values, (plan.study,))


def _tested(store: Store, run_id: str) -> Iterable[float]:
    """The test PSNR of a run, if there is one that can be read."""
    try:
        test = read_result(store.run_dir(run_id)).test
    except (RecordError, OSError, ValueError, KeyError):
        return ()
    found = test.values.get("psnr") if test else None
    return (found,) if found is not None and math.isfinite(found) else ()


def _pooled(values: Mapping[str, list[float]], studies: tuple[str, ...]) -> SeedNoise | None:
    pooled, df = pooled_variance(values.values())
    return SeedNoise(sd=math.sqrt(pooled), df=df, studies=studies) if df else None


def _elsewhere(plan: Plan, store: Store) -> SeedNoise | None:
    """From the current plans of other studies, of variants with this study's data and judging."""
    first = next((each.config for each in plan.variants if each.role != "reference"), None)
    values: dict[str, list[float]] = {}
    studies = []
    for study in store.studies() if first else ():
        if study == plan.study:
            continue
        other = store.load_plan(study)
        alike = {
            each.name
            for each in other.variants
            if first and all(each.config[name] == first[name] for name in ("data", "evaluation"))
        }
        for run in other.distinct_runs:
            folder = store.run_dir(run.run_id)
            if run.seed is not None and run.variant in alike and is_complete(folder):
                values.setdefault(f"{study}/{run.variant}", []).extend(_tested(store, run.run_id))
                studies.append(study)
    return _pooled(values, tuple(dict.fromkeys(studies)))
