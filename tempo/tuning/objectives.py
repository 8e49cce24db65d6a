"""Read a finished run's objectives: validation metrics or costs, never test metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from tempo.records.events import Validated
from tempo.records.run_record import RunRecord
from tempo.records.search_record import ObjectiveInfo
from tempo.spec.search_section import MAXIMISED

INFOS: dict[str, ObjectiveInfo] = {
    "psnr": ObjectiveInfo(name="psnr", unit="dB", better="higher", digits=2),
    "ssim": ObjectiveInfo(name="ssim", unit="", better="higher", digits=4),
    "step_time": ObjectiveInfo(name="step_time", unit="ms", better="lower", digits=1),
    "parameters": ObjectiveInfo(name="parameters", unit="", better="lower", digits=0),
    "macs": ObjectiveInfo(name="macs", unit="", better="lower", digits=0),
}


def infos(names: Sequence[str]) -> tuple[ObjectiveInfo, ...]:
    """Return unit, direction and digits of each objective."""
    return tuple(INFOS[name] for name in names)


def values_of(record: RunRecord, names: Sequence[str]) -> tuple[float, ...]:
    """Return the objectives of a complete run.

    A validation metric is that of the checkpoint which the study's evaluation chooses: the best by
    PSNR, or the last. The cost of a step is the median over the run's reports.

    Raises:
        ValueError: the records lack one of them; says which.
    """
    return tuple(_value(record, name) for name in names)


def _value(record: RunRecord, name: str) -> float:
    if name in MAXIMISED:
        return _validated(record, name)
    if name == "step_time":
        return _step_time(record)
    if record.model is None:
        raise ValueError(f"run {record.run_id} never built its network, so {name} is unknown")
    return float(record.model.parameters if name == "parameters" else record.model.macs)


def _validated(record: RunRecord, name: str) -> float:
    curve = [event for event in record.validations if not _missing(event, name)]
    if not curve:
        raise ValueError(f"run {record.run_id} has no validation with a {name}")
    best = record.spec.config["evaluation"]["select"] == "best"
    chosen = max(curve, key=lambda e: e.values["psnr"]) if best else curve[-1]
    return float(chosen.values[name])


def _missing(event: Validated, name: str) -> bool:
    value = event.values.get(name)
    return value is None or math.isnan(value) or event.values.get("psnr") is None


def _step_time(record: RunRecord) -> float:
    times = [event.values["step_ms"] for event in record.train if "step_ms" in event.values]
    if not times:
        raise ValueError(f"run {record.run_id} reported no step_ms")
    return float(median(times[1:] or times))
