"""The runs behind each trial and each confirmation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tempo.records.search_record import SearchSummary, TrialRun
from tempo.report.formats import numbers
from tempo.report.pages import search_trials as of


@dataclass(frozen=True, slots=True)
class TrialGroup:
    """The runs of one trial. `anchor` is its id on the page; `about` says what became of it."""

    anchor: str
    name: str
    about: str
    settings: str
    runs: tuple[tuple[str, str, tuple[str, ...]], ...]


def groups(summary: SearchSummary) -> tuple[TrialGroup, ...]:
    """Trials in the order of the search, then the confirmations."""
    return (*_trials(summary), *_confirmations(summary))


def _trials(summary: SearchSummary) -> Iterator[TrialGroup]:
    for place, trial in enumerate(summary.trials):
        yield TrialGroup(
            anchor=f"t{place}",
            name=trial.variant,
            about=of.state(trial),
            settings=", ".join(f"{name} {of.setting(v)}" for name, v in trial.params.items()),
            runs=_runs(trial.runs, summary),
        )


def _confirmations(summary: SearchSummary) -> Iterator[TrialGroup]:
    for place, each in enumerate(summary.confirmed):
        yield TrialGroup(
            anchor=f"c{place}",
            name=each.variant,
            about=f"{each.role}, on fresh seeds",
            settings="",
            runs=_runs(each.runs, summary),
        )


def _runs(
    runs: Sequence[TrialRun], summary: SearchSummary
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Run id, seed, and a value for each objective."""
    return tuple(
        (
            run.run_id,
            str(run.seed),
            tuple(
                numbers.fixed(run.values[index] if len(run.values) > index else None, info.digits)
                for index, info in enumerate(summary.objectives)
            ),
        )
        for run in runs
    )
