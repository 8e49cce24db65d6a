"""Add up what a variant costs: parameters, MACs, memory, time and device-hours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from tempo.compare.comparison import Cost
from tempo.compare.loading.load_runs import Run
from tempo.records.run_record import RunRecord


def cost_of(runs: Sequence[Run], metric: str, average: float | None) -> Cost:
    """Return the cost of a variant from its finished runs.

    `average`: the metric of frame averaging, whose gain per device hour is counted; None leaves
    that out. Times are of all attempts together, so a resumed run costs what it really took.
    """
    done = [run for run in runs if run.values and run.record]
    records = [run.record for run in done if run.record]
    models = [record.model for record in records if record.model]
    model = models[0] if models else None
    trained = [record for record in records if record.model]
    hours = _mean(record.device_hours for record in records)
    value = _mean(run.values[metric] for run in done if metric in run.values)
    gain = None
    if model and hours and value is not None and average is not None:
        gain = (value - average) / hours
    return Cost(
        parameters=model.parameters if model else None,
        macs=model.macs if model else None,
        mac_size=(model.mac_size[0], model.mac_size[1]) if model else None,
        train_seconds=_mean(record.train_seconds for record in trained),
        device_hours=hours if model else None,
        peak_memory=_peak(done),
        step_ms=_mean(ms for ms in map(_step_ms, done) if ms is not None),
        gain_per_hour=gain,
        device=_device(done),
        compile_seconds=_mean(each for each in map(_compile_seconds, records) if each is not None),
    )


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return fmean(found) if found else None


def _environment(run: Run) -> dict[str, object]:
    attempts = run.record.attempts if run.record else ()
    return dict(attempts[-1].environment) if attempts else {}


def _compile_seconds(record: RunRecord) -> float | None:
    """Return the seconds of all attempts: each compiles anew, if from a cache."""
    seconds = [float(note.values["seconds"]) for note in record.notes if note.topic == "compile"]
    return sum(seconds) if seconds else None


def _device(runs: Sequence[Run]) -> str | None:
    names = {str(_environment(run).get("device", "")) for run in runs} - {""}
    return ", ".join(sorted(names)) or None


def _peak(runs: Sequence[Run]) -> int | None:
    """Return the highest memory of any attempt of any seed; references train nothing."""
    peaks = [
        attempt.finish.peak_memory
        for run in runs
        if run.record and run.record.model
        for attempt in run.record.lineage
        if attempt.finish
    ]
    return max(peaks, default=None)


def _step_ms(run: Run) -> float | None:
    """Return milliseconds per optimiser step, by the training log, else by the training time."""
    record = run.record
    if record is None or record.model is None:
        return None
    logged = [each.values["step_ms"] for each in record.train if "step_ms" in each.values]
    if logged:
        return sorted(logged)[len(logged) // 2]
    steps = sum(each.finish.step - each.resumed_step for each in record.lineage if each.finish)
    return 1000 * record.train_seconds / steps if steps > 0 else None
