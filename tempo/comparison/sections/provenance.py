"""List where numbers come from: runs, failures, protocols, and whether they are current."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tempo.comparison.comparison import Failure, Protocol
from tempo.comparison.evidence import RunInfo
from tempo.comparison.loading.load_runs import Run, Sample
from tempo.core.counted import listed_up_to
from tempo.core.errors import PluginError, RecordError
from tempo.core.identity import short_hash
from tempo.core.plugins.loading import PluginSource
from tempo.core.records import RunStatus
from tempo.records.event_log import NAME
from tempo.records.reuse import OTHER_CODE, reuse_status

MOST_NAMED = 5
"""Most runs that a sentence names."""

PRUNED = "its search found that it is not worth finishing; the work so far is kept"


def run_infos(sample: Sample) -> tuple[RunInfo, ...]:
    return tuple(_info(run) for run in sample.runs)


def _info(run: Run) -> RunInfo:
    record = run.record
    attempts, test = record.attempts if record else (), run.test
    return RunInfo(
        run_id=run.run_id,
        variant=run.name,
        seed=run.seed,
        status=run.status.value,
        folder=run.folder,
        attempts=len(attempts),
        started=attempts[0].started if attempts else None,
        ended=attempts[-1].ended if attempts else None,
        step=_step(run),
        total_steps=attempts[-1].total_steps if attempts else 0,
        checkpoint=test.checkpoint if test else "",
        checkpoint_step=test.step if test else None,
        train_seconds=record.train_seconds if record else None,
        values=dict(run.values),
        environment=dict(attempts[-1].environment) if attempts else {},
        table=run.folder / test.table if test and test.table else None,
        table_sha256=test.table_sha256 if test else "",
    )


def _step(run: Run) -> int:
    attempts = run.record.attempts if run.record else ()
    return max((attempt.last_step for attempt in attempts), default=0)


def failures(sample: Sample) -> tuple[Failure, ...]:
    """Return every run that was tried and has no result, and every damaged one."""
    return tuple(
        _failure(run)
        for run in sample.runs
        if run.problem or run.status in (RunStatus.FAILED, RunStatus.STOPPED, RunStatus.PRUNED)
    )


def _failure(run: Run) -> Failure:
    finish = run.record.finish if run.record else None
    attempts = run.record.attempts[-1].number if run.record and run.record.attempts else 0
    log = run.folder / "attempts" / f"{attempts}.log"
    return Failure(
        run_id=run.run_id,
        variant=run.name,
        seed=run.seed,
        status=run.status.value,
        failure="data" if run.problem else finish.failure if finish else None,
        message=run.problem
        or (PRUNED if run.status is RunStatus.PRUNED else "")
        or (finish.message if finish else "has not ended: it runs still, or was killed"),
        detail=finish.detail if finish else "",
        step=_step(run),
        attempts=attempts,
        folder=run.folder,
        log=log if log.is_file() else None,
    )


def protocols(sample: Sample, baseline: str | None) -> tuple[Protocol, ...]:
    """Return what the numbers mean; the baseline's protocol first, which alone is ranked."""
    fields: dict[str, Mapping[str, object]] = {}
    names: dict[str, dict[str, None]] = {}
    for run in sample.runs:
        if run.test and run.values:
            fields.setdefault(run.test.protocol_hash, dict(run.test.protocol))
            names.setdefault(run.test.protocol_hash, {})[run.name] = None
    order = sorted(fields, key=lambda key: baseline not in names[key])
    return tuple(
        Protocol(hash=key, fields=fields[key], variants=tuple(names[key]), ranked=place == 0)
        for place, key in enumerate(order)
    )


def fingerprint(sample: Sample) -> str:
    """Return a hash of the plan and of the lengths of its runs' event logs, which only grow."""
    logs = {run.run_id: run.folder / NAME for run in sample.runs}
    sizes = {key: log.stat().st_size if log.is_file() else -1 for key, log in logs.items()}
    return short_hash({"plan": sample.plan.to_json(), "events": sizes}, 16)


def staleness(sample: Sample) -> tuple[str, ...]:
    """Return why these numbers may soon change: runs that have not ended or not begun, and results
    of other code of plug-ins, or of parents that were trained again."""
    counts = Counter(run.status for run in sample.runs)
    running, waiting = counts[RunStatus.RUNNING], counts[RunStatus.PLANNED]
    said = [f"{running} runs have not ended"] if running else []
    if waiting:
        said.append(f"{waiting} of {len(sample.runs)} planned runs have not started")
    outdated: dict[str, list[str]] = {}
    for run in sample.runs:
        if why := _outdated(run):
            outdated.setdefault(why, []).append(run.planned.title)
    for why, titles in outdated.items():
        verb = "was" if len(titles) == 1 else "were"
        said.append(
            f"{listed_up_to(MOST_NAMED, titles)} {verb} {why}, and shown until made again by the "
            "next run of the study"
        )
    return tuple(said)


def _outdated(run: Run) -> str:
    """Return why a result is outdated; empty where it is not, or where it cannot be told.

    Code of Tempo itself changes with every version, and results of former ones stay what they are.
    """
    plugins = run.variant.config.get("plugins") or ()
    if not run.values or not (plugins or run.planned.parents):
        return ""
    if any(PluginSource(str(each["name"]), each.get("root")).file is None for each in plugins):
        return ""
    try:
        why = reuse_status(run.folder, plugins=plugins).why
    except (RecordError, PluginError):
        return ""
    return "" if why == OTHER_CODE else why
