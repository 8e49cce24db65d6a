"""Build the rows of the results table: a variant's metrics, costs and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from statistics import fmean, stdev
from typing import Literal

from tempo.comparison.comparison import Cost, Row
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.load_runs import Run, Sample, ranked_protocol
from tempo.comparison.sections.frame_times import latencies
from tempo.comparison.statistics.quantities import Contrast, Estimate
from tempo.core.records import PlannedVariant, RunStatus
from tempo.core.t_interval import mean_half_width
from tempo.records.memory.kept_curves import columns
from tempo.records.parent_runs import hours_behind
from tempo.records.run_record import RunRecord
from tempo.records.seed_log import end_of

State = Literal["complete", "partial", "failed", "missing"]


def estimate(study: FittedStudy, metric: str, runs: Sequence[Run], planned: int) -> Estimate | None:
    """Return the mean of a metric over the runs that have it, over the clips of the contrasts.

    None when no run has a finite value.
    """
    values = [(run, study.value(run, metric)) for run in runs]
    having = [(run, value) for run, value in values if value is not None]
    return estimate_of(metric, having, planned, study.sample.query.coverage) if having else None


def estimate_of(
    metric: str, measured: Sequence[tuple[Run, float]], planned: int, level: float
) -> Estimate:
    """Return the mean of one value a run, with a t interval over seeds from two on."""
    values = tuple(value for _, value in measured)
    mean, half = fmean(values), mean_half_width(values, level)
    return Estimate(
        metric=metric,
        mean=mean,
        sd=None if half is None else stdev(values),
        n=len(values),
        planned_n=planned,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        level=level,
        seeds=tuple(run.seed for run, _ in measured),
        values=values,
        run_ids=tuple(run.run_id for run, _ in measured),
    )


def table_rows(
    study: FittedStudy, metrics: Sequence[str], contrasts: Mapping[str, Mapping[str, Contrast]]
) -> tuple[Row, ...]:
    """Return a row per variant, in design order; references last. `contrasts[variant][metric]`."""
    average = _average(study)
    timed, at = latencies(study.sample)
    ordered = sorted(study.sample.variants, key=lambda variant: variant.role == "reference")
    rows = (
        _row(study, variant, metrics, contrasts.get(variant.name, {}), average)
        for variant in ordered
    )
    return tuple(
        replace(row, cost=replace(row.cost, latency_ms=timed[row.variant], latency_at=at))
        if row.variant in timed
        else row
        for row in rows
    )


def _average(study: FittedStudy) -> float | None:
    """Return the primary metric of frame averaging, None where the study has no such reference."""
    for variant in study.sample.variants:
        if variant.role == "reference" and variant.config.get("method") == "average":
            return study.mean(variant.name, study.metric)
    return None


def _row(
    study: FittedStudy,
    variant: PlannedVariant,
    metrics: Sequence[str],
    contrasts: Mapping[str, Contrast],
    average: float | None,
) -> Row:
    sample, name = study.sample, variant.name
    runs = sample.of(name)
    done = [run for run in runs if run.values]
    found = {metric: estimate(study, metric, done, len(runs)) for metric in metrics}
    means = {info.name: study.own_mean(info, name) for info in study.infos}
    role = variant.role
    if role != "reference":
        role = "baseline" if name == study.baseline else "variant"
    own = study.mean(name, study.metric)
    group_by = sample.query.group_by
    return Row(
        variant=name,
        role=role,
        state=_state(runs),
        levels=variant.levels,
        seeds=len(done),
        planned_seeds=len(runs),
        estimates={metric: each for metric, each in found.items() if each},
        contrasts=contrasts,
        cost=cost_of(runs, None if own is None or average is None else own - average),
        protocol_hash=sample.protocol_hash(name),
        checkpoint=_checkpoint(done),
        note=_note(sample, variant, runs),
        group=variant.levels.get(group_by) if group_by else None,
        means={metric: each for metric, each in means.items() if each},
    )


def _state(runs: Sequence[Run]) -> State:
    done = sum(bool(run.values) for run in runs)
    if done == len(runs):
        return "complete"
    if done:
        return "partial"
    return "failed" if any(run.status == RunStatus.FAILED for run in runs) else "missing"


def _checkpoint(runs: Sequence[Run]) -> str:
    """Return how the evaluated checkpoint was chosen, and its step or steps."""
    tests = [run.test for run in runs if run.test]
    kinds = sorted({test.checkpoint for test in tests})
    steps = sorted({test.step for test in tests})
    if not tests or kinds == ["none"]:
        return ""
    span = f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"
    return f"{', '.join(kinds)}, {span}"


def _note(sample: Sample, variant: PlannedVariant, runs: Sequence[Run]) -> str:
    without = [run for run in runs if not run.values]
    ended = end_of(variant.name, sample.looks)
    if not without:
        twin = sample.twins.get(variant.name)
        return f"the very same runs as {twin}" if twin else ended
    if variant.role == "reference" and sample.query.at.kind != "final":
        return "references are judged on the test split only"
    counts: dict[str, list[str]] = {}
    for run in without:
        name = run.status.value if run.status != RunStatus.COMPLETE else "no value there"
        counts.setdefault(name, []).append("-" if run.seed is None else str(run.seed))
    parts = [f"{name}: seed {', '.join(seeds)}" for name, seeds in counts.items()]
    done = len(runs) - len(without)
    parts += [ended] if ended else []
    return f"{done} of {len(runs)} seeds; {'; '.join(parts)}"


def rank_rows(
    table: Sequence[Row], metric: str, sign: int, baseline: str | None
) -> tuple[Row, ...]:
    """Rank trained variants under one protocol by the primary metric.

    That protocol is the baseline's; a variant judged under another one gets no place.
    """
    hashes = {row.variant: row.protocol_hash for row in table}
    own = ranked_protocol(hashes, baseline)
    eligible = [
        row
        for row in table
        if row.role != "reference" and metric in row.estimates and row.protocol_hash == own
    ]
    eligible.sort(key=lambda row: -sign * row.estimates[metric].mean)
    place = {row.variant: index for index, row in enumerate(eligible, 1)}
    return tuple(replace(row, rank=place.get(row.variant)) for row in table)


def cost_of(runs: Sequence[Run], gain: float | None) -> Cost:
    """Return the cost of a variant from its finished runs.

    `gain`: over frame averaging, which is counted per device hour; None leaves that out. Times are
    of all attempts together, so a resumed run costs what it really took.
    """
    done = [run for run in runs if run.values and run.record]
    records = [run.record for run in done if run.record]
    trained = [record for record in records if record.model]
    model = trained[0].model if trained else None
    hours = _mean(record.device_hours for record in records)
    behind = _mean(hours_behind(record.folder) for record in trained if record.spec.parents)
    whole = (hours or 0.0) + (behind or 0.0)
    return Cost(
        parameters=model.parameters if model else None,
        macs=model.macs if model else None,
        mac_size=(model.mac_size[0], model.mac_size[1]) if model else None,
        train_seconds=_mean(record.train_seconds for record in trained),
        device_hours=hours if model else None,
        peak_memory=_peak(trained),
        step_ms=_mean(map(_step_ms, trained)),
        gain_per_hour=gain / whole if model and hours and gain is not None else None,
        device=_device(records),
        compile_seconds=_mean(map(_compile_seconds, records)),
        cold_compile_seconds=_mean(_compilations(records, cold=True)),
        warm_compile_seconds=_mean(_compilations(records, cold=False)),
        hours_behind=behind,
        cpu_seconds=_mean(record.cpu_seconds for record in trained),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None and isfinite(value)]
    return fmean(found) if found else None


def _compile_seconds(record: RunRecord) -> float | None:
    """Return the seconds of all attempts: each compiles anew, if from a cache."""
    seconds = [float(note.values["seconds"]) for note in record.notes if note.topic == "compile"]
    return sum(seconds) if seconds else None


def _compilations(records: Iterable[RunRecord], *, cold: bool) -> Iterator[float]:
    """Yield the seconds of each compilation that was cold, or warm; older records do not say."""
    for record in records:
        for note in record.notes:
            if note.topic == "compile" and note.values.get("cold") == float(cold):
                yield float(note.values["seconds"])


def _device(records: Sequence[RunRecord]) -> str | None:
    last = [record.attempts[-1] for record in records if record.attempts]
    names = {str(attempt.environment.get("device", "")) for attempt in last} - {""}
    return ", ".join(sorted(names)) or None


def _peak(records: Sequence[RunRecord]) -> int | None:
    """Return the highest memory of any attempt of any seed."""
    attempts = [attempt for record in records for attempt in record.lineage]
    peaks = [attempt.finish.peak_memory for attempt in attempts if attempt.finish]
    return max(peaks, default=None)


def _step_ms(record: RunRecord) -> float | None:
    """Return milliseconds per optimiser step, by the training log, else by the training time."""
    (logged,) = columns(record.train, "step_ms")
    if len(logged):
        return float(sorted(logged)[len(logged) // 2])
    steps = sum(each.finish.step - each.resumed_step for each in record.lineage if each.finish)
    return 1000 * record.train_seconds / steps if steps > 0 else None
