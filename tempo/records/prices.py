"""What training steps cost, measured: kept beside the records, one file per config and device.

A price is measured by `tempo plan --price` (a few real steps); whoever orders, limits or estimates
runs reads it here. Nothing here is part of a result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tempo.core.identity import short_hash
from tempo.records.files import write_json

NOT_PRICED = ("budget", "lr", "warmup", "grad_clip", "schedule", "guard", "augment")
"""Fields of a recipe that leave the cost of a step alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Cost of one training step of a config on `device`, at `world_size` processes.

    `step_ms` is the median of `steps` timed steps; `setup_s` is what comes before the first one;
    `validation_s` is one validation and `evaluation_s` the final test; `peak_memory` is in bytes.
    """

    device: str
    world_size: int
    steps: int
    step_ms: float
    setup_s: float
    validation_s: float
    evaluation_s: float
    peak_memory: int


def price_key(config: Mapping[str, Any]) -> str:
    """The hash of what a step's cost depends on."""
    recipe = {k: v for k, v in config["recipe"].items() if k not in NOT_PRICED}
    kept = {name: config[name] for name in ("method", "arch", "data", "evaluation", "runtime")}
    return short_hash({**kept, "recipe": recipe})


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices below a folder of records."""

    root: Path

    def _path(self, config: Mapping[str, Any], device: str) -> Path:
        return self.root / "prices" / f"{price_key(config)}-{short_hash(device, 6)}.json"

    def get(self, config: Mapping[str, Any], device: str) -> Price | None:
        """The price measured for a config on a device; None when there is none yet."""
        path = self._path(config, device)
        return Price(**json.loads(path.read_text())) if path.is_file() else None

    def save(self, config: Mapping[str, Any], price: Price) -> None:
        write_json(self._path(config, price.device), asdict(price))
