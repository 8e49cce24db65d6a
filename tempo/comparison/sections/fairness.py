"""Find what differed between the compared runs beside what was meant to differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from math import isfinite
from statistics import fmean
from typing import Literal

from tempo.comparison.comparison import Difference
from tempo.comparison.loading.load_runs import Run, Sample
from tempo.core.config_diff import flatten
from tempo.records.memory.kept_curves import columns, field_of
from tempo.records.run_record import RunRecord

CLIP_RATE_GAP = 0.1
"""Shares of clipped steps this far apart are worth a note."""

ENVIRONMENT = {
    "device": "the device",
    "torch": "the torch version",
    "numpy": "the numpy version",
    "cuda": "the CUDA version",
    "code_stamp": "the code",
    "data": "the data",
    "world_size": "the number of processes",
    "compile": "compilation",
    "kernels": "fused kernels",
    "channels_last": "the memory format",
    "precision": "the arithmetic precision",
}
"""Recorded facts that can change a result."""
SET_BY = {"precision": ("recipe.precision",), "data": ("data", "recipe.stages")}
"""Where a study sets such a fact itself: it is then meant to differ."""
HARMLESS = {
    "threads": "CPU threads",
    "micro_batch": "the micro-batch",
    "host": "the machine",
    "workers": "loader processes",
    "python": "the Python version",
    "commit": "the commit",
    "dirty": "uncommitted changes",
}
"""Recorded facts that change time or rounding at most."""
NOTES = {
    "oom": "memory ran out, so the micro-batch was halved (the global batch stayed as it was)",
    "checkpointing": "the batch did not fit into memory, so activations were recomputed",
    "rollback": "training went back to a checkpoint and went on with a lower learning rate",
    "skipped": "steps were left out because of their loss or gradient",
    "checkpoint": "a damaged checkpoint was passed over and an older one used",
    "data": "clips could not be read and were left out",
    "kernels": "a fused kernel differed from the plain form or did not build, and was left out",
    "data_wait": "training waited for its data",
}
"""Topics of notes that bear on fairness, and what they mean."""

Fact = Callable[[RunRecord], object]
Severity = Literal["unintended", "intended", "note"]


def fairness_differences(sample: Sample) -> tuple[Difference, ...]:
    """Return the differences between trained variants, unintended ones first."""
    runs = [run for run in sample.runs if run.values and run.seed is not None]
    found = [
        *_environment(runs, ENVIRONMENT, "unintended"),
        *_progress(runs),
        *_learning_rates(runs),
        *_clip_rates(runs),
        *_skipped(runs),
        *_data_order(runs),
        *_seeds(sample),
        *_configured(sample),
        *_environment(runs, HARMLESS, "note"),
        *_started(runs),
        *_resumed(runs),
        *_noted(runs),
    ]
    rank = {"unintended": 0, "intended": 1, "note": 2}
    return tuple(sorted(found, key=lambda each: rank[each.severity]))


def _by_variant(runs: Sequence[Run], fact: Fact) -> dict[str, str]:
    """Return what each variant's runs show, as text; seeds that disagree are listed with a bar."""
    seen: dict[str, dict[str, None]] = {}
    for run in runs:
        value = fact(run.record) if run.record else None
        if value is not None:
            seen.setdefault(run.name, {})[str(value)] = None
    return {name: " | ".join(texts) for name, texts in seen.items()}


def _differ(values: Mapping[str, str]) -> bool:
    return len(set(values.values())) > 1 or any(" | " in value for value in values.values())


def _difference(name: str, severity: Severity, values: Mapping[str, str], said: str) -> Difference:
    sentence = f"{said[0].upper()}{said[1:]}."
    return Difference(field=name, severity=severity, values=values, sentence=sentence)


def _meant(
    name: str,
    meant: bool,
    values: Mapping[str, str],
    said: str,
    otherwise: str,
    severity: Severity = "unintended",
) -> Difference:
    """Return a difference that is intended where the study varies what it follows from."""
    if meant:
        severity, otherwise = "intended", "as the spec asks"
    return _difference(name, severity, values, f"{said}, {otherwise}")


def _varied(runs: Sequence[Run], *paths: str) -> bool:
    """Return whether the study itself varies one of these fields of the config, or one below."""
    configs = {run.name: run.variant.config for run in runs}
    flat = [flatten(config) for config in configs.values()]
    return any(len({_values_below(config, path) for config in flat}) > 1 for path in paths)


def _values_below(config: Mapping[str, object], path: str) -> tuple[tuple[str, str], ...]:
    below = [name for name in sorted(config) if f"{name}.".startswith(f"{path}.")]
    return tuple((name, str(config[name])) for name in below)


def _environment(
    runs: Sequence[Run], names: Mapping[str, str], severity: Severity
) -> Iterator[Difference]:
    for name, what in names.items():
        values = _by_variant(runs, partial(_of_attempts, name))
        if _differ(values):
            meant, said = _varied(runs, *SET_BY.get(name, ())), f"{what} differed between runs"
            yield _meant(name, meant, values, said, "which no factor asked for", severity)


def _of_attempts(name: str, record: RunRecord) -> object:
    """Return a fact under every attempt: a run that was resumed elsewhere shows both."""
    seen = dict.fromkeys(
        str(attempt.environment[name])
        for attempt in record.lineage
        if attempt.environment.get(name) is not None
    )
    return " | ".join(seen) or None


def _data_order(runs: Sequence[Run]) -> Iterator[Difference]:
    """Check that runs with one seed took the training clips in one order, as pairs must."""
    orders: dict[int | None, dict[str, str]] = {}
    for run in runs:
        order = _of_attempts("data_order", run.record) if run.record else None
        if order is not None:
            orders.setdefault(run.seed, {})[run.name] = str(order)
    values: dict[str, list[str]] = {}
    for seed, of_variant in orders.items():
        if len(set(of_variant.values())) > 1:
            for name, order in of_variant.items():
                values.setdefault(name, []).append(f"seed {seed}: {order}")
    if values:
        yield _meant(
            "data_order",
            _varied(runs, *SET_BY["data"]),
            {name: ", ".join(texts) for name, texts in values.items()},
            "the order of training clips differed between variants at one seed",
            "so these pairs did not learn from the same batches",
        )


def _progress(runs: Sequence[Run]) -> Iterator[Difference]:
    """Compare the steps and clips that finished runs really took."""
    budget = _varied(runs, "recipe.budget", "recipe.stages")
    for name, field, meant, what in (
        ("steps", "step", budget, "optimiser steps"),
        ("clips_seen", "clips", budget or _varied(runs, "recipe.batch"), "training clips seen"),
    ):
        values = _by_variant(runs, partial(_last, field))
        if _differ(values):
            yield _meant(name, meant, values, f"{what} differed", "though the budget is the same")


def _last(field: str, record: RunRecord) -> object:
    found = [*field_of(record.train, field), *field_of(record.validations, field)]
    if found:
        return max(found)
    return record.finish.step if record.finish and field == "step" else None


def _logged(runs: Iterable[Run], key: str) -> dict[str, list[float]]:
    """Return the finite training values of a quantity, by variant."""
    seen: dict[str, list[float]] = {}
    for run in runs:
        (values,) = columns(run.record.train if run.record else (), key)
        if kept := [value for value in values if isfinite(value)]:
            seen.setdefault(run.name, []).extend(kept)
    return seen


def _learning_rates(runs: Sequence[Run]) -> Iterator[Difference]:
    traces = _by_variant(runs, _trace)
    if _differ(traces):
        fields = ("lr", "warmup", "batch", "schedule", "budget", "stages")
        rates = _logged(runs, "lr")
        yield _meant(
            "lr_trace",
            _varied(runs, *(f"recipe.{field}" for field in fields)),
            {name: _range(rates.get(name, [])) for name in traces},
            "the learning rate over the steps differed",
            "though the recipe is the same (rollbacks lower it)",
        )


def _range(rates: Sequence[float]) -> str:
    return f"{max(rates):.3g} down to {min(rates):.3g}" if rates else "no number"


def _trace(record: RunRecord) -> object:
    steps, rates = columns(record.train, "lr", ("step",))
    trace = tuple(zip(steps, map(_rounded, rates), strict=True))
    return hash(trace) if trace else None


@lru_cache(maxsize=1 << 16)
def _rounded(rate: float) -> float:
    """Return a rate to six digits; the runs of a study have most of theirs in common."""
    return float(f"{rate:.6g}")


def _clip_rates(runs: Sequence[Run]) -> Iterator[Difference]:
    rates = {name: fmean(values) for name, values in _logged(runs, "clip_rate").items()}
    if rates and max(rates.values()) - min(rates.values()) > CLIP_RATE_GAP:
        said = (
            "gradient clipping was active in different shares of the steps, so the same limit "
            "held some variants back more than others"
        )
        shown = {name: f"{rate:.0%}" for name, rate in rates.items()}
        yield _difference("clip_rate", "note", shown, said)


def _skipped(runs: Sequence[Run]) -> Iterator[Difference]:
    rates = {name: fmean(values) for name, values in _logged(runs, "skipped").items()}
    if any(rates.values()):
        shown = {name: f"{rate:.2%}" for name, rate in rates.items()}
        said = "steps were skipped because their loss or gradient was not finite"
        yield _difference("skipped_steps", "unintended", shown, said)


def _seeds(sample: Sample) -> Iterator[Difference]:
    """Find seeds that some variants have and others lack: means are then over different draws.

    Adaptive seeds are meant to differ, as long as none of them failed.
    """
    values = {
        variant.name: ", ".join(str(run.seed) for run in sample.done(variant.name)) or "none"
        for variant in sample.trained
    }
    if len(set(values.values())) > 1:
        whole = all(run.values for each in sample.trained for run in sample.of(each.name))
        adaptive = sample.plan.stages is not None and whole
        what = "got more seeds only while undecided" if adaptive else "finished different seeds"
        said = f"variants {what}; contrasts use the seeds that both sides have"
        yield _difference("seeds", "intended" if adaptive else "unintended", values, said)


def _started(runs: Sequence[Run]) -> Iterator[Difference]:
    """List the variants that take weights, whose training goes beyond the shared budget."""
    values = {
        run.name: ", ".join(parent.source for parent in run.planned.parents) or "nothing"
        for run in runs
    }
    if _differ(values):
        said = (
            "some variants build on weights trained before, beyond the budget they share with the "
            "others (the table of costs says what that took)"
        )
        yield _difference("init", "intended", values, said)


def _resumed(runs: Sequence[Run]) -> Iterator[Difference]:
    counts = {
        run.planned.title: str(len(run.record.lineage))
        for run in runs
        if run.record and len(run.record.lineage) > 1
    }
    if counts:
        yield _difference("attempts", "note", counts, "some runs took more than one attempt")


def _configured(sample: Sample) -> Iterator[Difference]:
    """List the fields that variants set differently: meant, but confounds beside another arch."""
    flat = {each.name: flatten(each.config) for each in sample.trained}
    varied: dict[str, dict[str, str]] = {}
    for path in dict.fromkeys(path for fields in flat.values() for path in fields):
        values = {name: str(fields.get(path)) for name, fields in flat.items()}
        if len(set(values.values())) > 1:
            varied[path] = values
    arch = any(path.startswith("arch.") for path in varied)
    beside = " beside the architecture: a contrast may show either" if arch else ""
    for path, values in varied.items():
        if path.startswith(("recipe.", "data.", "evaluation.")):
            yield _difference(path, "intended", values, f"the study varies {path}{beside}")


def _noted(runs: Sequence[Run]) -> Iterator[Difference]:
    """List what went wrong in runs that finished all the same, as they noted it."""
    for topic, what in NOTES.items():
        seen = {run.planned.title: text for run in runs if (text := _told(run, topic))}
        if seen:
            runs_of = "one run" if len(seen) == 1 else f"{len(seen)} runs"
            yield _difference(topic, "note", seen, f"{what}, in {runs_of}")


def _told(run: Run, topic: str) -> str:
    """Return how often a run noted a topic, and the newest note."""
    notes = [note for note in (run.record.notes if run.record else ()) if note.topic == topic]
    if not notes:
        return ""
    times = f"{len(notes)} times, the last at" if len(notes) > 1 else "at"
    return f"{times} step {notes[-1].step}: {notes[-1].message}"
