"""What a trial leaves in the storage when it ends, as plain JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from tempo.core.device_hours import devices_of
from tempo.records.run_record import RunRecord
from tempo.search.trials import Trial

SLACK = 1.0
"""Seconds by which two clocks of one search may differ."""


def result_json(
    trial: Trial, records: Mapping[int, RunRecord], curve: str | None, *, note: str, raced: bool
) -> dict[str, Any]:
    """The runs with their values, the first seed's validations, and the time they took."""
    return {
        "runs": [
            {"seed": seed, "run_id": run.run_id, "values": list(trial.done.get(seed, ()))}
            for seed, run in trial.runs.items()
            if seed in trial.asked
        ],
        "labels": dict(trial.point.labels),
        "curve": _curve(records.get(trial.first_seed), curve or "psnr"),
        "spans": [span for record in records.values() for span in _spans(record, trial.started)],
        "seconds": time.time() - trial.started,
        "outside": list(trial.point.outside),
        "raced": raced,
        "note": note,
    }


def _curve(record: RunRecord | None, name: str) -> list[list[float]]:
    if record is None:
        return []
    points = [(event.step, event.values.get(name)) for event in record.validations]
    return [[step, value] for step, value in points if value is not None and math.isfinite(value)]


def _spans(record: RunRecord, since: float) -> list[list[float]]:
    """Start, end and devices of each attempt that this trial caused: a reused run cost nothing."""
    return [
        [attempt.started, attempt.ended, float(devices_of(attempt.environment))]
        for attempt in record.attempts
        if attempt.started >= since - SLACK
    ]
