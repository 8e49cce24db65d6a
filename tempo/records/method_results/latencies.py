"""Store how long the networks of a study take for one frame, measured side by side in one session.

<root>/studies/<study>/latency/<profile>.json holds the last session. Times of other sessions say
nothing beside these, so they are replaced and never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.core.plugins.description import code_of
from tempo.core.records import Plan
from tempo.records.field_types import build
from tempo.records.files import is_there, read_object, write_json
from tempo.records.layout import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The time of one predicted frame of `name` at (height, width) under a precision.

    `ms` is the median over passes in milliseconds, `low` and `high` its quartiles; `ratio` the
    median of the passes' ratios to the first network of the session. `peak_memory` is in bytes,
    None on a CPU, where it is not measured. `problem` says why there is no time.
    """

    name: str
    network: str
    size: tuple[int, int]
    precision: str
    ms: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    peak_memory: int | None = None
    problem: str = ""

    @property
    def fps(self) -> float | None:
        """Predicted frames a second."""
        return None if self.ms is None else 1000 / self.ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySession:
    """Networks that were timed together: `warmup` passes, then `passes`, in turn, one frame each.

    `measured` is when, in Unix seconds.
    """

    device: str
    threads: int
    warmup: int
    passes: int
    measured: float
    rows: tuple[Latency, ...]

    def of(self, network: str) -> list[Latency]:
        """Return the rows of the network with this hash."""
        return [row for row in self.rows if row.network == network]


def network_key(config: Mapping[str, Any]) -> str:
    """Return the hash of the network of a run's config, which its time depends on."""
    return short_hash({"arch": config["arch"]} | code_of(config))


def _path(store: Store, plan: Plan) -> Path:
    return store.study_dir(plan.study) / "latency" / f"{plan.profile_name}.json"


def save_session(store: Store, plan: Plan, session: LatencySession) -> Path:
    """Keep the session as the last one of a plan; return its file."""
    path = _path(store, plan)
    write_json(path, asdict(session))
    return path


def load_session(store: Store, plan: Plan) -> LatencySession | None:
    """Read the last session of a plan; None where there is none.

    Raises:
        RecordError: when the file cannot be read.
    """
    path = _path(store, plan)
    if not is_there(path):
        return None
    try:
        return build(LatencySession, read_object(path))
    except ValueError as error:
        raise RecordError(f"{path} is no record of latencies: {error}") from error
