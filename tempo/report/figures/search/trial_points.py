"""Say on the page what a mark of a search's figure stands for: the trial, its values, its runs."""

from __future__ import annotations

from collections.abc import Iterator

from tempo.records.search_record import Estimate, SearchSummary, TrialRecord
from tempo.report import search_trials as of
from tempo.report.figures.drawing import Point, value_text
from tempo.report.formats import numbers

MOST_SEEDS = 6


def trial_point(
    summary: SearchSummary, trial: TrialRecord, panel: int, place: tuple[float, float], kind: str
) -> Point:
    """Return the point of a trial: its state, its values, its settings, its seeds with their runs.

    `kind` is the label of its marks in the legend.
    """
    values = [
        numbers.amount(value, info)
        for index, info in enumerate(summary.objectives)
        if (value := of.reached(trial, index)) is not None
    ]
    lines = [f"{trial.variant}, {of.state(trial)}: {', '.join(values) or numbers.MISSING}"]
    if trial.params:
        lines.append(", ".join(f"{name} {of.setting(v)}" for name, v in trial.params.items()))
    digits = summary.objectives[0].digits
    lines += [
        f"seed {run.seed}: {numbers.fixed(next(iter(run.values), None), digits)}, run {run.run_id}"
        for run in trial.runs[:MOST_SEEDS]
    ]
    link = of.trial_links(summary).to(trial.variant)
    return Point(panel, *place, "\n".join(lines), kind, link)


def confirmation_points(
    summary: SearchSummary, name: str, place: float, found: Estimate, label: str
) -> Iterator[Point]:
    """Yield the point of a value before or after fresh seeds; `label` is that of the legend."""
    info = summary.objectives[0]
    value = numbers.amount(found.mean, info)
    text = value_text(f"{name}, {label}", value, found.low, found.high, info.digits)
    link = of.trial_links(summary).to(name)
    yield Point(0, found.mean, place, text, label, link)
