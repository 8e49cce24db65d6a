"""List the runs behind the numbers by variant, and what it takes to run the study again."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tempo.compare.comparison import Comparison
from tempo.compare.evidence import RunInfo
from tempo.compare.loading.run_filter import flatten
from tempo.report.formats import numbers


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run as printed."""

    run_id: str
    seed: str
    status: str
    step: str
    checkpoint: str
    values: tuple[str, ...]
    time: str
    device: str
    attempts: int
    ended: str
    folder: str


@dataclass(frozen=True, slots=True)
class RunGroup:
    """The runs of one variant. `place` is the number in its anchor."""

    place: int
    variant: str
    state: str
    runs: tuple[RunLine, ...]


def run_groups(comparison: Comparison) -> tuple[RunGroup, ...]:
    """Return one group a row, in the order of the table."""
    by_variant: dict[str, list[RunInfo]] = {}
    for run in comparison.runs:
        by_variant.setdefault(run.variant, []).append(run)
    return tuple(
        RunGroup(
            place,
            row.variant,
            row.state,
            tuple(_line(run, comparison) for run in by_variant.get(row.variant, ())),
        )
        for place, row in enumerate(comparison.rows)
    )


def _line(run: RunInfo, comparison: Comparison) -> RunLine:
    ended = numbers.MISSING
    if run.ended is not None:
        ended = datetime.fromtimestamp(run.ended, UTC).strftime("%Y-%m-%d %H:%M UTC")
    at = "" if run.checkpoint_step is None else f" at {run.checkpoint_step}"
    return RunLine(
        run_id=run.run_id,
        seed=numbers.MISSING if run.seed is None else str(run.seed),
        status=run.status,
        step=f"{run.step}/{run.total_steps}" if run.total_steps else numbers.MISSING,
        checkpoint=f"{run.checkpoint}{at}",
        values=tuple(
            numbers.fixed(run.values.get(info.name), info.digits) for info in comparison.metrics
        ),
        time=numbers.duration(run.train_seconds),
        device=str(run.environment.get("device", numbers.MISSING)),
        attempts=run.attempts,
        ended=ended,
        folder=os.fspath(run.folder),
    )


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What it takes to run the study again.

    `environments` maps a recorded property of the machines to the distinct values seen.
    """

    command: str
    spec: str
    environments: Mapping[str, list[str]]


def reproduction(comparison: Comparison) -> Reproduction:
    """Return the command, the resolved spec as YAML, and what the runs ran on."""
    import yaml

    words = ["python", "run_experiment.py", comparison.source]
    if comparison.profile:
        words += ["--profile", comparison.profile]
    plain = json.loads(json.dumps(comparison.spec, default=str))
    return Reproduction(
        shlex.join(words),
        yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=96),
        _environments(comparison),
    )


def _environments(comparison: Comparison) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for run in comparison.runs:
        for path, value in flatten(run.environment, "").items():
            key = path.removeprefix(".")
            if value is not None and key not in {"pid", "host"}:
                found.setdefault(key, {})[str(value)] = None
    return {key: list(values) for key, values in sorted(found.items())}
