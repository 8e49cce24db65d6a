"""Answer what a plan asks of prices, widths, results and weights: from records, or by measuring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tempo.core.code_stamp import code_stamp
from tempo.core.errors import RecordError, SpecError
from tempo.core.identity import short_hash
from tempo.core.plugins.description import code_of
from tempo.core.records import Parent
from tempo.design.measurements import Width, file_with_weights, nearest_width
from tempo.records.field_types import build
from tempo.records.files import is_there, read_object, write_json
from tempo.records.layout import SHORTEST_ID, Store, load_run
from tempo.records.prices import Price, Prices
from tempo.records.reuse import reuse_status
from tempo.records.run_record import read_run
from tempo.spec.metrics import best_of
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
        if not is_there(path):
            from tempo.workflow.plan.machine_check import find_width

            write_json(path, asdict(find_width(asked, self.cache)))
        try:
            return build(Width, read_object(path))
        except (RecordError, ValueError) as error:
            raise RecordError(
                f"{path} is no width that was found ({error}); delete it, and it is found again"
            ) from error

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
        found = [each.values for each in run.validations]
        if not found:
            return None
        evaluation = run.spec.config["evaluation"]
        if evaluation["select"] == "last":
            return found[-1]["psnr"]
        return best_of(found, evaluation.get("select_by", "psnr"))["psnr"]

    def weights(self, source: str) -> Parent | None:
        found = self._run_called(source)
        if found is None:
            return file_with_weights(source)
        if load_run(self.store.run_dir(found)).config["method"] != "network":
            raise SpecError(f"run {found} is of a method without weights: nothing builds on it")
        return Parent(source=source, run_id=found)

    def _run_called(self, source: str) -> str | None:
        """The id of the recorded run that a text names, whole or by how it begins."""
        if not source.isalnum() or len(source) < SHORTEST_ID:
            return None
        runs = self.store.root / "runs"
        found = [each.parent.name for each in runs.glob(f"{source}*/run.json")]
        if len(found) > 1 and source not in found:
            raise SpecError(f"{source!r} could be any of {len(found)} runs: give more of its id")
        return source if source in found else next(iter(found), None)


def processes_of(spec: StudySpec, ddp: int) -> int:
    """Processes of a run: as many as asked for, or one for each of its GPUs."""
    own = spec.resources.gpus_per_run if spec.runtime.device != "cpu" else 1
    return max(ddp, own) * spec.resources.nodes


def _counted(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a count depends on: the networks and the crop that they are counted for."""
    both = {name: asked[name] for name in ("config", "target")}
    return {"by": asked["by"]} | {
        name: {"arch": each["arch"], "crop": each["recipe"]["crop"]} | code_of(each)
        for name, each in both.items()
    }
