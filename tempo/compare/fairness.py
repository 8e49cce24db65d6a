"""What really differed between the runs that are compared, beside what was meant to differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Literal

from tempo.compare.comparison import Difference
from tempo.compare.gather import Run, Sample
from tempo.compare.where import flatten
from tempo.records.run import RunRecord

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
    "channels_last": "the memory format",
    "precision": "the arithmetic precision",
    "data_order": "the order of training clips",
}
"""Recorded facts that can change a result and that no factor of a study sets."""
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

Fact = Callable[[RunRecord], object]
Severity = Literal["unintended", "intended", "note"]


def audit(sample: Sample, baseline: str | None) -> tuple[Difference, ...]:
    """Differences between trained variants, unintended ones first."""
    runs = [run for run in sample.runs if run.values and run.seed is not None]
    found = [
        *_environment(runs, ENVIRONMENT, "unintended"),
        *_progress(runs),
        *_rates(runs),
        *_skipped(runs),
        *_order(sample),
        *_configured(sample, baseline),
        *_environment(runs, HARMLESS, "note"),
        *_resumed(runs),
        *_noted(runs),
    ]
    rank = {"unintended": 0, "intended": 1, "note": 2}
    return tuple(sorted(found, key=lambda each: rank[each.severity]))


def _by_variant(runs: Sequence[Run], fact: Fact) -> dict[str, str]:
    """What each variant's runs show, as text; seeds that disagree are listed with a bar."""
    seen: dict[str, list[str]] = {}
    for run in runs:
        value = fact(run.record) if run.record else None
        if value is not None:
            texts = seen.setdefault(run.name, [])
            if str(value) not in texts:
                texts.append(str(value))
    return {name: " | ".join(texts) for name, texts in seen.items()}


def _differ(values: Mapping[str, str]) -> bool:
    return len(set(values.values())) > 1 or any(" | " in value for value in values.values())


def _environment(
    runs: Sequence[Run], names: Mapping[str, str], severity: Severity
) -> list[Difference]:
    found = []
    for name, what in names.items():
        values = _by_variant(runs, partial(_of_attempt, name))
        if _differ(values):
            said = f"{what} differed between runs, which no factor asked for"
            found.append(_difference(name, severity, values, said))
    return found


def _of_attempt(name: str, record: RunRecord) -> object:
    """The fact under every attempt: a run resumed elsewhere shows both."""
    seen = dict.fromkeys(
        str(attempt.environment[name])
        for attempt in record.lineage
        if attempt.environment.get(name) is not None
    )
    return " | ".join(seen) or None


def _difference(name: str, severity: Severity, values: Mapping[str, str], said: str) -> Difference:
    return Difference(field=name, severity=severity, values=values, sentence=_sentence(said))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _planned(runs: Sequence[Run], path: str) -> bool:
    """Whether the study itself varies a field of the config."""
    values = [str(flatten(run.variant.config).get(f"params.{path}")) for run in runs]
    return len(set(values)) > 1


def _progress(runs: Sequence[Run]) -> list[Difference]:
    """Steps and clips that finished runs really took."""
    found = []
    meant = any(_planned(runs, f"recipe.budget.{unit}") for unit in ("steps", "epochs", "clips"))
    facts: dict[str, tuple[Fact, bool, str]] = {
        "steps": (lambda record: _last(record, "step"), meant, "optimiser steps"),
        "clips_seen": (
            lambda record: _last(record, "clips"),
            meant or _planned(runs, "recipe.batch"),
            "training clips seen",
        ),
    }
    for name, (fact, intended, what) in facts.items():
        values = _by_variant(runs, fact)
        if _differ(values):
            severity: Severity = "intended" if intended else "unintended"
            why = "as the spec asks" if intended else "though the budget is the same"
            found.append(_difference(name, severity, values, f"{what} differed, {why}"))
    return found


def _last(record: RunRecord, field: str) -> object:
    events = [*record.train, *record.validations]
    if events:
        return max(getattr(event, field) for event in events)
    return record.finish.step if record.finish and field == "step" else None


def _rates(runs: Sequence[Run]) -> list[Difference]:
    """Learning-rate traces, and how often gradients were clipped."""
    found = []
    values = _by_variant(runs, _trace)
    if _differ(values):
        meant = any(
            _planned(runs, f"recipe.{field}")
            for field in ("lr", "warmup", "batch", "schedule.kind", "budget.steps")
        )
        severity: Severity = "intended" if meant else "unintended"
        why = "as the spec asks" if meant else "though the recipe is the same (rollbacks lower it)"
        shown = {name: _span(runs, name) for name in values}
        said = f"the learning rate over the steps differed, {why}"
        found.append(_difference("lr_trace", severity, shown, said))
    rates = _means(runs, "clip_rate")
    if rates and max(rates.values()) - min(rates.values()) > CLIP_RATE_GAP:
        shown = {name: f"{rate:.0%}" for name, rate in rates.items()}
        said = (
            "gradient clipping was active in different shares of the steps, so the same limit "
            "held some variants back more than others"
        )
        found.append(_difference("clip_rate", "note", shown, said))
    return found


def _trace(record: RunRecord) -> object:
    trace = [(e.step, float(f"{e.values['lr']:.6g}")) for e in record.train if "lr" in e.values]
    return hash(tuple(trace)) if trace else None


def _span(runs: Sequence[Run], name: str) -> str:
    rates = [
        event.values["lr"]
        for run in runs
        if run.name == name and run.record
        for event in run.record.train
        if "lr" in event.values
    ]
    return f"{max(rates):.3g} down to {min(rates):.3g}" if rates else ""


def _means(runs: Sequence[Run], key: str) -> dict[str, float]:
    seen: dict[str, list[float]] = {}
    for run in runs:
        for event in run.record.train if run.record else ():
            if key in event.values:
                seen.setdefault(run.name, []).append(event.values[key])
    return {name: fmean(values) for name, values in seen.items()}


def _skipped(runs: Sequence[Run]) -> list[Difference]:
    rates = _means(runs, "skipped")
    if not rates or max(rates.values()) == 0:
        return []
    shown = {name: f"{rate:.2%}" for name, rate in rates.items()}
    said = "steps were skipped because their loss or gradient was not finite"
    return [_difference("skipped_steps", "unintended", shown, said)]


def _order(sample: Sample) -> list[Difference]:
    """Seeds that some variants have and others lack: means are then over different draws."""
    values = {
        variant.name: ", ".join(str(run.seed) for run in sample.done(variant.name)) or "none"
        for variant in sample.trained
    }
    if len(set(values.values())) < 2:
        return []
    said = "variants finished different seeds; contrasts use the seeds that both sides have"
    return [_difference("seeds", "unintended", values, said)]


def _resumed(runs: Sequence[Run]) -> list[Difference]:
    counts = {
        run.planned.title: str(len(run.record.lineage))
        for run in runs
        if run.record and len(run.record.lineage) > 1
    }
    if not counts:
        return []
    return [_difference("attempts", "note", counts, "some runs took more than one attempt")]


def _times(run: Run, topic: str) -> int:
    return sum(note.topic == topic for note in (run.record.notes if run.record else ()))


TROUBLES = ("oom", "rollback", "data_wait")
"""Topics of notes that bear on fairness; skipped steps are counted from the training log."""


def _noted(runs: Sequence[Run]) -> list[Difference]:
    found = []
    for topic in TROUBLES:
        counts = {run.planned.title: str(count) for run in runs if (count := _times(run, topic))}
        if counts:
            said = f"some runs noted {topic.replace('_', ' ')} (times it happened)"
            found.append(_difference(topic, "note", counts, said))
    return found


def _configured(sample: Sample, baseline: str | None) -> list[Difference]:
    """Fields of recipe, data and evaluation in which variants were asked to differ.

    They are meant; but beside a change of architecture they are a confound worth seeing.
    """
    trained = sample.trained
    flat = {each.name: flatten(each.config, "") for each in trained}
    paths = dict.fromkeys(path for fields in flat.values() for path in fields)
    arch = any(_varies(flat, path) for path in paths if path.startswith(".arch."))
    found = []
    for path in paths:
        outside = path.startswith((".recipe.", ".data.", ".evaluation."))
        if outside and _varies(flat, path):
            values = {name: str(fields.get(path)) for name, fields in flat.items()}
            said = f"the study varies {path[1:]}"
            if arch:
                said += " beside the architecture: a contrast may show either"
            found.append(_difference(path[1:], "intended", values, said))
    return found


def _varies(flat: Mapping[str, Mapping[str, object]], path: str) -> bool:
    return len({str(fields.get(path)) for fields in flat.values()}) > 1
