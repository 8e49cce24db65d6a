"""Convert a run of MLflow to the events that Tempo would have recorded."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tempo.core.identity import short_hash
from tempo.records.events import (
    AttemptStarted,
    Evaluated,
    Event,
    Finished,
    Logged,
    Trained,
    Validated,
)
from tempo.track.mlflow_import.mlflow_reader import StoredRun

SPLITS = {"train": "train", "training": "train", "test": "test"}
SPLITS |= dict.fromkeys(("val", "valid", "validation", "eval", "dev"), "val")

_PREFIX = re.compile(rf"^({'|'.join(sorted(SPLITS, key=len, reverse=True))})[/_.](.+)$")
_STATUS = {"FINISHED": "complete", "FAILED": "failed", "KILLED": "stopped"}
_LOWER = ("loss", "error", "lpips", "mse", "mae", "rmse", "time", "seconds", "flicker")


def events_of(run: StoredRun, source: str, rename: Mapping[str, str]) -> Iterator[Logged]:
    """The run's history as a record of one attempt; `source` says where it was imported from."""
    points = _sorted_points(run, rename)
    last = max((step for step, _ in points["train"].keys() | points["val"].keys()), default=0)
    environment = {"imported_from": source, "mlflow_run_id": run.id, "mlflow_name": run.name}
    yield _at(
        run.started, AttemptStarted(resumed_step=0, total_steps=last, environment=environment)
    )
    timed: list[tuple[float, Event]] = []
    for (step, time), values in points["train"].items():
        timed.append((time, Trained(step=step, clips=0, epoch=0.0, values=values)))
    for (step, time), values in points["val"].items():
        seconds = max(0.0, time - run.started)
        timed.append(
            (time, Validated(step=step, clips=0, epoch=0.0, seconds=seconds, values=values))
        )
    yield from (_at(time, event) for time, event in sorted(timed, key=lambda pair: pair[0]))
    end = run.ended or max((time for time, _ in timed), default=run.started)
    final = {name: value for values in points["test"].values() for name, value in values.items()}
    if final:
        yield _at(end, _evaluated(final, last, source))
    status = _STATUS.get(run.status)
    if status:
        yield _at(end, _finished(status, last, end - run.started))


def _sorted_points(
    run: StoredRun, rename: Mapping[str, str]
) -> dict[str, dict[tuple[int, float], dict[str, float]]]:
    """split -> (step, time) -> metric -> value; metrics of one step logged one by one stand at
    the time of the first."""
    out: dict[str, dict[int, tuple[float, dict[str, float]]]] = {"train": {}, "val": {}, "test": {}}
    for key, history in run.history.items():
        match = _PREFIX.match(rename.get(key, key))
        split, name = (SPLITS[match[1]], match[2]) if match else ("train", rename.get(key, key))
        for step, time, value in history:
            first, values = out[split].get(step, (math.inf, {}))
            out[split][step] = (min(first, time), values | {name: value})
    return {
        split: {(step, time): values for step, (time, values) in sorted(steps.items())}
        for split, steps in out.items()
    }


def _at(time: float, event: Event) -> Logged:
    return Logged(time=time, attempt=1, event=event)


def _evaluated(values: Mapping[str, float], step: int, source: str) -> Evaluated:
    protocol = {"imported_from": source}
    return Evaluated(
        split="test",
        step=step,
        checkpoint="unknown",
        clips=0,
        values=values,
        infos={name: _info(name) for name in values},
        protocol=protocol,
        protocol_hash=short_hash(protocol),
        table="",
        table_sha256="",
        gallery=(),
    )


def _info(name: str) -> dict[str, Any]:
    lower = any(word in name.lower() for word in _LOWER)
    return {
        "name": name,
        "unit": "dB" if "psnr" in name.lower() else "",
        "better": "lower" if lower else "higher",
        "digits": 2 if "psnr" in name.lower() else 4,
        "definition": "imported from MLflow; how it was computed is not known",
    }


def _finished(status: str, step: int, seconds: float) -> Finished:
    return Finished(
        status=status,
        step=step,
        seconds=seconds,
        train_seconds=seconds,
        peak_memory=0,
        failure="bug" if status == "failed" else None,
        message="failed before it was imported" if status == "failed" else "",
    )
