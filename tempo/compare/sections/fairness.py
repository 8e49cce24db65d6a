"""What really differed between the runs that are compared, beside what was meant to differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Literal

from tempo.compare.comparison import Difference
from tempo.compare.loading.load_runs import Run, Sample
from tempo.compare.loading.run_filter import flatten
from tempo.compare.sections.run_notes import noted
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
    "channels_last": "the memory format",
    "precision": "the arithmetic precision",
}
"""Recorded facts that can change a result."""
SET_BY = {"precision": ("recipe.precision",), "data": ("data",)}
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
        *_data_order(runs),
        *_order(sample),
        *_configured(sample, baseline),
        *_environment(runs, HARMLESS, "note"),
        *_resumed(runs),
        *noted(runs),
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
        if not _differ(values):
            continue
        if any(_planned(runs, path) for path in SET_BY.get(name, ())):
            said = f"{what} differed between runs, as the spec asks"
            found.append(_difference(name, "intended", values, said))
        else:
            said = f"{what} differed between runs, which no factor asked for"
            found.append(_difference(name, severity, values, said))
    return found


def _data_order(runs: Sequence[Run]) -> list[Difference]:
    """Whether runs with one seed took the training clips in one order, as pairs must."""
    orders: dict[int | None, dict[str, str]] = {}
    for run in runs:
        order = _of_attempt("data_order", run.record) if run.record else None
        if order is not None:
            orders.setdefault(run.seed, {})[run.name] = str(order)
    values: dict[str, list[str]] = {}
    for seed, of_variant in orders.items():
        if len(set(of_variant.values())) > 1:
            for name, order in of_variant.items():
                values.setdefault(name, []).append(f"seed {seed}: {order}")
    if not values:
        return []
    meant = _planned(runs, "data")
    why = "as the spec asks" if meant else "so these pairs did not learn from the same batches"
    said = f"the order of training clips differed between variants at one seed, {why}"
    shown = {name: ", ".join(texts) for name, texts in values.items()}
    return [_difference("data_order", "intended" if meant else "unintended", shown, said)]


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
    """Whether the study itself varies a field of the config, or one below it."""
    below = f"params.{path}"
    values = {
        tuple(
            (name, str(value))
            for name, value in sorted(flatten(run.variant.config).items())
            if name == below or name.startswith(f"{below}.")
        )
        for run in runs
    }
    return len(values) > 1


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
