"""Carry out a hyperparameter search, and offer what the search found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import RecordError, SpecError, TempoError
from tempo.records.layout import Store
from tempo.records.search_record import (
    Confirmation,
    SearchSummary,
    TrialRecord,
    load_search,
    search_dir,
)
from tempo.spec.load import LoadedStudy, load_study

if TYPE_CHECKING:
    import pandas as pd

    from tempo.workflow.observer import Observer


def search(
    spec: str | Path,
    *,
    profile: str | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    observer: Observer | None = None,
    **options: Any,
) -> SearchResult:
    """Carry out the search of a spec to its budget, or continue an interrupted one.

    A finished search starts nothing and is only read. Stop with Ctrl-C and call again.

    Args:
        spec: a spec with a `search:` section.
        profile, overrides, options: as for `tempo.load_study`.
        observer: receives progress; default: a progress bar.

    Raises:
        SpecError: the spec has no search, or the search was begun with another space.

    >>> import tempo
    >>> found = tempo.search("experiments/search_v3.yaml", profile="smoke", mlflow="off")
    >>> found.over, found.best().state
    (True, 'complete')
    """
    from tempo.workflow import study as studies
    from tempo.workflow.execution.search_execution import execute_search
    from tempo.workflow.observer import shown

    study = studies.load_study(spec, profile=profile, overrides=overrides, **options)
    if not study.is_search:
        raise SpecError(f"{spec} has no `search:` section; carry it out by `tempo.load_study`")
    outcome = execute_search(study.loaded, study.options, shown(observer))
    return SearchResult(study.options.store, outcome.summary, page=outcome.page)


def open_search(store: Store, study: str, profile: str | None = None) -> SearchResult:
    """What a recorded search has found so far.

    Raises:
        RecordError: the study has no search in these records.
    """
    return SearchResult(store, load_search(store, study, profile))


class SearchResult:
    """The trials of a search, the confirmation of the best, and what mattered.

    Attributes:
        summary: the whole record.
        page: the page of the search, where this call wrote one.

    >>> import tempo
    >>> found = tempo.search("experiments/search_v3.yaml", profile="smoke", mlflow="off")
    >>> found.best().variant in set(found.trials()["trial"])
    True
    """

    def __init__(self, store: Store, summary: SearchSummary, *, page: Path | None = None) -> None:
        self.store, self.summary, self.page = store, summary, page

    @property
    def over(self) -> bool:
        """Whether the budget is spent and everything is confirmed."""
        return self.summary.over

    def best(self) -> TrialRecord:
        """The best complete trial of the space: its name, params and values.

        Raises:
            RecordError: no trial of the space is complete yet.
        """
        if not self.summary.best:
            raise RecordError(
                f"search {self.summary.study!r} has no complete trial of its space yet"
            )
        return self.summary.trial(self.summary.best[0])

    def trials(self) -> pd.DataFrame:
        """One row a trial: name, number, state, origin, params and objectives (on validation)."""
        import pandas as pd

        names = [info.name for info in self.summary.objectives]
        rows = [
            {
                "trial": trial.variant,
                "number": trial.number,
                "state": trial.state,
                "origin": trial.origin,
                **trial.params,
                **dict(zip(names, trial.values, strict=False)),
                "seeds": sum(bool(run.values) for run in trial.runs),
                "note": trial.note,
            }
            for trial in self.summary.trials
        ]
        return pd.DataFrame(rows)

    def confirmed(self) -> pd.DataFrame:
        """One row a confirmed trial: its value in the search, on fresh seeds, and what was gained.

        `fresh` and `shrinkage` are on the validation clips that chose the winner and describe;
        `gain_NAME` is the difference to an enqueued trial on the test clips, paired by fresh seed
        and clip, with its interval, its verdict (empty without one) and its `pairs` of seeds. The
        columns that end in `covers` say what varies in an interval.
        """
        import pandas as pd

        return pd.DataFrame([_confirmed_row(each) for each in self.summary.confirmed])

    def importance(self) -> pd.DataFrame:
        """One row a factor, objective and method: what the factor explains by itself.

        `share` (of `share_of`) with its bootstrap interval, `noise`: what noise alone exceeds one
        time in 20, and `above_noise`; both None in records of earlier versions.
        """
        import pandas as pd

        rows = [
            {
                "factor": each.parameter,
                "objective": each.objective,
                "method": each.evaluator,
                "share": each.share,
                "low": each.low,
                "high": each.high,
                "noise": each.noise,
                "above_noise": each.above_noise,
                "share_of": each.share_of,
            }
            for each in self.summary.importances
        ]
        return pd.DataFrame(rows)

    def promote(self, *trials: str) -> list[TrialRecord]:
        """Have pruned trials, named by name or number, finished by the next call of `search`.

        Raises:
            TempoError: a trial is not pruned.
        """
        from tempo.tuning.backend.storage import open_storage, promote

        chosen = [self.summary.trial(name) for name in trials]
        for trial in chosen:
            if trial.state != "pruned" or trial.number is None:
                left = [t.variant for t in self.summary.trials if t.state == "pruned"]
                raise TempoError(
                    f"{trial.variant} is {trial.state}, and only a pruned trial can be promoted: "
                    f"{', '.join(left) or 'this search has none'}"
                )
        section = self._spec().spec.search
        folder = search_dir(self.store, self.summary.study)
        storage = open_storage(section.storage if section else None, folder)
        numbers = [trial.number for trial in chosen if trial.number is not None]
        promote(storage, self.summary.optuna_study, numbers)
        return chosen

    def export(self, path: str | Path, trial: str | None = None) -> TrialRecord:
        """Write a trial (default: the best) as a study file of its own; returns the trial."""
        from tempo.tuning.study_export import export

        chosen = self.best() if trial is None else self.summary.trial(trial)
        export(self.summary, chosen, self._spec(), Path(path))
        return chosen

    def report(self, folder: str | Path = "reports") -> Path:
        """Write the page of the search; returns it."""
        from tempo.workflow.reports import write_search_page

        return write_search_page(self.store, self.summary, Path(folder))

    def _spec(self) -> LoadedStudy:
        return load_study(Path(self.summary.source), profile=self.summary.profile)

    def __repr__(self) -> str:
        state = "over" if self.over else "not over"
        return f"<SearchResult {self.summary.study}, {len(self.summary.trials)} trials, {state}>"

    def _repr_html_(self) -> str:
        return str(self.trials().to_html(index=False, na_rep="-"))


def _confirmed_row(each: Confirmation) -> dict[str, Any]:
    row: dict[str, Any] = {"trial": each.trial, "role": each.role, "search": each.search.mean}
    fresh, fell = each.fresh, each.shrinkage
    row |= {
        "fresh": fresh.mean if fresh else None,
        "low": fresh.low if fresh else None,
        "high": fresh.high if fresh else None,
        "covers": fresh.covers if fresh else "",
        "shrinkage": fell.mean if fell else None,
        "shrinkage_low": fell.low if fell else None,
        "shrinkage_high": fell.high if fell else None,
        "shrinkage_covers": fell.covers if fell else "",
    }
    row |= {f"test_{name}": found.mean for name, found in each.test.items()}
    for name, gain in each.gain.items():
        row |= {
            f"gain_{name}": gain.mean,
            f"gain_{name}_low": gain.low,
            f"gain_{name}_high": gain.high,
            f"gain_{name}_pairs": gain.count,
            f"gain_{name}_p_adjusted": gain.p_adjusted,
            f"gain_{name}_verdict": gain.word,
            f"gain_{name}_reason": gain.reason,
            f"gain_{name}_covers": gain.covers,
        }
    return row | {f"gain_{name}_reason": reason for name, reason in each.without_gain.items()}
