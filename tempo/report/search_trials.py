"""Read trials for print: their state, value, order, parameters, and links to their runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tempo.records.search_record import (
    Importance,
    ObjectiveInfo,
    ParameterInfo,
    SearchSummary,
    TrialRecord,
)
from tempo.report.formats import numbers
from tempo.report.formats.cells import Links
from tempo.report.formats.phrases import METHODS, sentences

FINISHED = {"complete", "outside"}


def state(trial: TrialRecord) -> str:
    """Return how a trial ended, in words."""
    if trial.raced:
        return "raced out"
    if trial.state == "pruned" and trial.curve:
        return f"pruned at step {trial.curve[-1][0]}"
    if trial.origin == "warm_start":
        return "known before"
    return "outside the space" if trial.state == "outside" else trial.state


def finished(trial: TrialRecord, index: int = 0) -> float | None:
    """Return the value of objective `index` where the trial ran all its seeds, or None."""
    whole = trial.state in FINISHED and not trial.raced
    return trial.values[index] if whole and len(trial.values) > index else None


def reached(trial: TrialRecord, index: int = 0) -> float | None:
    """Return the value so far: of finished seeds, or the last validation of a pruned trial."""
    if len(trial.values) > index:
        return trial.values[index]
    return trial.curve[-1][1] if index == 0 and trial.curve else None


def goodness(value: float, info: ObjectiveInfo) -> float:
    """Return `value` with the sign under which more is better."""
    return value if info.better == "higher" else -value


def ordered(summary: SearchSummary) -> list[TrialRecord]:
    """Return winners first, then finished trials, best first, then the others by number."""
    winners = {name: place for place, name in enumerate(summary.front or summary.best)}
    info = summary.objectives[0]

    def place(trial: TrialRecord) -> tuple[float, float, float]:
        value = finished(trial)
        worth = math.inf if value is None else -goodness(value, info)
        number = math.inf if trial.number is None else trial.number
        return winners.get(trial.variant, math.inf), worth, number

    return sorted(summary.trials, key=place)


def best_so_far(
    trials: Sequence[TrialRecord], info: ObjectiveInfo, index: int = 0
) -> list[tuple[int, float]]:
    """Return number and value of each trial that was better than all earlier trials."""
    steps: list[tuple[int, float]] = []
    for trial in trials:
        value = finished(trial, index)
        if value is None or trial.number is None:
            continue
        if not steps or goodness(value, info) > goodness(steps[-1][1], info):
            steps.append((trial.number, value))
    return steps


def numbered(summary: SearchSummary) -> list[TrialRecord]:
    """Return the trials of this search's own budget, in order; warm starts have no number."""
    own = [trial for trial in summary.trials if trial.number is not None]
    return sorted(own, key=lambda trial: trial.number or 0)


def setting(value: str | float | None) -> str:
    """Return a parameter's value as printed; a dash where the trial has no such parameter."""
    if value is None:
        return numbers.MISSING
    return value if isinstance(value, str) else f"{value:.4g}".replace("-", numbers.MINUS)


def values_of(parameter: ParameterInfo) -> str:
    """Return what a parameter may be: its levels, or its range."""
    if parameter.levels:
        return ", ".join(parameter.levels)
    ends = f"{setting(parameter.low)} to {setting(parameter.high)}"
    step = ", log" if parameter.log else f" by {setting(parameter.step)}" if parameter.step else ""
    return f"{ends}{step}{', whole numbers' if parameter.whole else ''}"


def trial_links(summary: SearchSummary) -> Links:
    """Return the places of all trials and confirmations of a search."""
    places = {each.variant: f"#c{index}" for index, each in enumerate(summary.confirmed)}
    places |= {trial.variant: f"#t{index}" for index, trial in enumerate(summary.trials)}
    return Links(places)


def without_verdict(summary: SearchSummary) -> Iterator[str]:
    """Yield a sentence for each comparison of the confirmation that has no verdict: why."""
    for each in summary.confirmed:
        reasons = {name: gain.reason for name, gain in each.gain.items() if not gain.word}
        for other, reason in {**reasons, **each.without_gain}.items():
            said = reason or "judged by an earlier version, on the validation clips"
            yield f"{each.trial} against {other} has no verdict: {said}."


def reading(each: Importance) -> str:
    """Return what a share shows beside its level of noise, in words."""
    if each.above_noise is None:
        return "level of noise not computed"
    return "above noise" if each.above_noise else "not distinguishable from noise"


def importance_caption(summary: SearchSummary) -> str:
    """Return what the shares of a search are shares of, and what stands beside them."""
    shares = dict.fromkeys((METHODS[e.evaluator], e.share_of) for e in summary.importances)
    levels = any(each.noise is not None for each in summary.importances)
    return sentences(
        "What each parameter explains by itself.",
        *(f"{method}: share of {whole}." for method, whole in shares),
        "Interval: 95% bootstrap over the trials; shares are never negative, so an interval",
        "above 0 shows nothing.",
        "Noise alone: the share that permuted objective values exceed one time in 20." * levels,
    )
