"""Store measured costs of training steps, one file per config and device.

A price is measured by `tempo plan --price` (a few real steps); what orders, limits or estimates
runs reads it here. Nothing here is part of a result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.core.plugins.description import code_of
from tempo.records.field_types import build
from tempo.records.files import is_there, read_object, write_json

CONFIG_FILE, NETWORKS_FILE, PRICE_FILE = "config.json", "networks.json", "price.json"
"""What a calibration reads from its folder, the networks that teach included, and what is written
there."""

NOT_PRICED: Mapping[str, tuple[str, ...]] = {
    "data": ("seed", "motion", "progressive_motion"),
    "recipe": ("budget", "lr", "warmup", "grad_clip", "schedule", "guard", "init"),
    "evaluation": ("val_every", "select_by"),
    "runtime": ("device", "slots", "log_every", "checkpoint_every", "profile_steps"),
}
"""Fields that leave alone what a step, a validation, a checkpoint and the final test cost: how
long, how often and how high, not what is computed. The device is named beside the key, by what it
turned out to be. Everything else counts, fields that do not exist yet included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Cost of one training step of a config on `device`, at `world_size` processes.

    `step_ms` is the median of `steps` timed steps (of every stage and crop, weighted by its share
    of the budget); `setup_s` is what comes before the first of them, compilation included;
    `validation_s` is one validation and `evaluation_s` the final test; `peak_memory` is in bytes.
    `train_clips` is the size of the training split, `stage_clips` that of each later stage.
    `checkpoint_s` and `checkpoint_bytes` are of one checkpoint. `measured` is when, in Unix
    seconds. None is unknown.
    """

    device: str
    world_size: int
    steps: int
    step_ms: float
    setup_s: float
    validation_s: float
    evaluation_s: float
    peak_memory: int
    train_clips: int | None = None
    checkpoint_s: float = 0.0
    checkpoint_bytes: int | None = None
    micro_batch: int | None = None
    measured: float = 0.0
    stage_clips: tuple[int, ...] = ()


SINCE: Mapping[str, tuple[str, ...]] = {
    "data": ("final", "progressive_motion", "progressive_spacing"),
    "recipe": ("freeze", "stages"),
}
"""Fields that are newer than some prices: empty, they are left out, so that those prices hold.
Those of data can stand in the parts of a mixture, and in each split of data of its own."""


def price_key(config: Mapping[str, Any]) -> str:
    """Return the hash of everything that a step's cost depends on."""
    sections = ("method", "arch", "data", "recipe", "evaluation", "runtime")
    found = {name: _priced(name, config[name]) for name in sections}
    return short_hash(found | code_of(config))


def _priced(section: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    left_out = NOT_PRICED.get(section, ())
    kept = {name: each for name, each in value.items() if name not in left_out}
    return _without_empty(kept, SINCE.get(section, ()))


def _without_empty(value: Any, names: Collection[str]) -> Any:
    """Return a JSON value without the fields of these names that hold nothing, at any depth."""
    if isinstance(value, Mapping):
        return {
            name: _without_empty(each, names)
            for name, each in value.items()
            if name not in names or each not in (None, [], ())
        }
    if isinstance(value, list | tuple):
        return [_without_empty(each, names) for each in value]
    return value


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices below a folder of records."""

    root: Path

    def _path(self, config: Mapping[str, Any], device: str, world: int) -> Path:
        name = f"{price_key(config)}-{short_hash(device, 6)}"
        return self.root / "prices" / (f"{name}.json" if world == 1 else f"{name}-x{world}.json")

    def get(self, config: Mapping[str, Any], device: str, world: int = 1) -> Price | None:
        """Read the price measured for a config on a device; None when there is none yet.

        Raises:
            RecordError: when it is damaged.
        """
        path = self._path(config, device, world)
        return read_price(path) if is_there(path) else None

    def known(self, config: Mapping[str, Any], world: int = 1) -> list[Price]:
        """Read the prices of a config on all devices it may run on, the newest first.

        Raises:
            RecordError: when one is damaged.
        """
        found = map(read_price, (self.root / "prices").glob(f"{price_key(config)}-*.json"))
        kind = config["runtime"]["device"]
        fitting = [
            each
            for each in found
            if each.world_size == world and kind in {"auto", _kind(each.device)}
        ]
        return sorted(fitting, key=lambda each: each.measured, reverse=True)

    def save(self, config: Mapping[str, Any], price: Price) -> None:
        write_json(self._path(config, price.device, price.world_size), asdict(price))


def _kind(device: str) -> str:
    return "cpu" if device == "cpu" else "cuda"


def read_price(path: Path) -> Price:
    """Read the price in a file.

    Raises:
        RecordError: when it is absent or damaged; says that it can be measured again.
    """
    try:
        return build(Price, read_object(path))
    except (RecordError, ValueError) as error:
        raise RecordError(
            f"{path} is no price of a step ({error}); delete it, and `tempo plan --price` measures "
            "it again"
        ) from error
