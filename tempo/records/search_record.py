"""Store what a search found: one JSON file per profile, beside the study's plans.

<root>/studies/<study>/search/journal.log            the trials, as Optuna keeps them by default
<root>/studies/<study>/search/<profile>/summary.json  what is written here
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tempo.core.errors import RecordError
from tempo.records.field_types import build
from tempo.records.files import is_there, read_object, write_json
from tempo.records.layout import Store

KNOWN = 12
"""Trials that a message lists."""

State = Literal["complete", "pruned", "failed", "running", "outside"]
Origin = Literal["sampled", "enqueued", "promoted", "warm_start"]
Role = Literal["best", "baseline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over `count` values with a two-sided 95 % interval, which needs two of them.

    `covers`: what varies in the interval; empty in records of earlier versions.
    """

    mean: float
    count: int
    low: float | None = None
    high: float | None = None
    covers: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain(Estimate):
    """A winner minus an enqueued trial in the first objective, paired by fresh seed and test clip.

    `count` of the `planned` fresh seeds are finished on both sides. `word`: better, worse,
    equivalent or inconclusive; empty without a verdict, and `reason` says why. Words and intervals
    hold for the `family` of all gains of the search together (Holm). `looks`: the numbers of pairs
    at which a verdict was shown, this one last. `clips` and `sources` are 0 where the objective has
    none. Records of earlier versions have the mean and its interval alone, on validation.
    """

    covers: str = "fresh seeds alone, on the validation clips that chose the winner"
    planned: int = 0
    clips: int = 0
    sources: int = 0
    p: float | None = None
    p_adjusted: float | None = None
    family: int = 0
    looks: tuple[int, ...] = ()
    word: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveInfo:
    """What is optimised: on validation, as a mean over a trial's seeds."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    digits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    """A factor of the space: its `levels`, or a range from `low` to `high`.

    `when`: the levels of other factors under which it applies at all.
    """

    name: str
    paths: tuple[str, ...]
    levels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    step: float | None = None
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRun:
    """One seed of a trial. `values`: one for each objective; none while unknown."""

    seed: int
    run_id: str
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One proposal and what became of it.

    `number` is the one that Optuna gave it, None for a warm start. `variant` is its name in the
    study's plan. `values` are means over the seeds that ran. `raced`: it lost so clearly that not
    all seeds were run. `outside` names the fields that no point of the space has; the sampler does
    not see such a trial. `curve`: step and value of the first seed's validations; `note`: why it
    failed.
    """

    number: int | None
    variant: str
    state: State
    origin: Origin
    params: Mapping[str, str | int | float]
    values: tuple[float, ...] = ()
    runs: tuple[TrialRun, ...] = ()
    raced: bool = False
    outside: tuple[str, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    started: float | None = None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A trial run again on seeds that the search never saw.

    `role`: `best`, or `baseline` for an enqueued one. `search` is what the search believed of the
    first objective, `fresh` what the fresh seeds say of it, `shrinkage` is fresh minus search
    where more is better and search minus fresh where less is: negative when the search was
    optimistic, as the best of many noisy values is. All three are on the validation clips that
    chose the winner, so `shrinkage` describes and decides nothing. `test`: by metric, fresh seeds
    on the test clips. `gain` decides: by enqueued trial, the winner's difference on the test clips;
    `without_gain`: by enqueued trial, why there is none.
    """

    variant: str
    trial: str
    role: Role
    runs: tuple[TrialRun, ...]
    search: Estimate
    fresh: Estimate | None = None
    shrinkage: Estimate | None = None
    test: Mapping[str, Estimate] = field(default_factory=dict)
    gain: Mapping[str, Gain] = field(default_factory=dict)
    without_gain: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What a factor explains by itself: its `share` of `share_of`, with a bootstrap interval.

    `noise`: the share that it exceeds with 5 % probability when the objective's values are permuted
    over the trials. None in records of earlier versions, whose shares were scaled to add up to 1.
    """

    evaluator: Literal["fanova", "ped_anova"]
    objective: str
    parameter: str
    share: float
    low: float
    high: float
    noise: float | None = None
    share_of: str = "the sum over all factors, without a level of noise"

    @property
    def above_noise(self) -> bool | None:
        """Whether noise alone would hardly reach the share; None where that was not computed."""
        return None if self.noise is None else self.share > self.noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """`device_hours`: of all runs the search carried out; `hours`: in which one was running."""

    trials: int
    device_hours: float
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSummary:
    """A search as it stands. `best` and `front` name trials by their variant.

    `rejected`: proposals that broke a constraint or were no valid config, counted by reason; they
    cost nothing. `rules` are sentences about pruning and racing as they were applied. `budget` is
    what was allowed, `spent` what was used. `over`: the budget is spent and all is confirmed.
    """

    study: str
    profile: str | None
    question: str
    source: str
    objectives: tuple[ObjectiveInfo, ...]
    space: tuple[ParameterInfo, ...]
    sampler: str
    pruner: str
    constraints: tuple[str, ...]
    rules: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: tuple[TrialRecord, ...]
    rejected: Mapping[str, int]
    best: tuple[str, ...]
    front: tuple[str, ...]
    confirmed: tuple[Confirmation, ...]
    importances: tuple[Importance, ...]
    budget: Mapping[str, float]
    spent: Spent
    storage: str
    optuna_study: str
    over: bool

    def trial(self, variant: str) -> TrialRecord:
        """Return the trial of that name or number; a name goes before a number.

        Raises:
            RecordError: when there is none; names those that there are.
        """
        names = {each.variant: each for each in self.trials}
        numbers = {str(each.number): each for each in self.trials}
        if found := names.get(variant) or numbers.get(variant):
            return found
        shown = [f"{each.variant} ({each.number})" for each in self.trials[:KNOWN]]
        more = [f"and {len(self.trials) - KNOWN} more"] if len(self.trials) > KNOWN else []
        raise RecordError(
            f"search {self.study!r} has no trial {variant!r}; its trials, with their numbers, are "
            f"{', '.join([*shown, *more])}"
            if self.trials
            else f"search {self.study!r} has no trial {variant!r}, nor any other yet"
        )


def search_dir(store: Store, study: str) -> Path:
    """Return the folder of a study's searches."""
    return store.study_dir(study) / "search"


def _path(store: Store, study: str, profile: str | None) -> Path:
    return search_dir(store, study) / (profile or "default") / "summary.json"


def save_search(store: Store, summary: SearchSummary) -> Path:
    """Write the summary and return its file."""
    from pydantic import TypeAdapter

    path = _path(store, summary.study, summary.profile)
    write_json(path, TypeAdapter(SearchSummary).dump_python(summary, mode="json"))
    return path


def load_search(store: Store, study: str, profile: str | None = None) -> SearchSummary:
    """Read the summary of a study's search under `profile`, or the one that was written last.

    Raises:
        RecordError: when there is none, naming the searches that are there, or it is damaged.
    """
    if profile is not None:
        found = [path for path in [_path(store, study, profile)] if is_there(path)]
    else:
        found = sorted(search_dir(store, study).glob("*/summary.json"), key=_written)
    if not found:
        known = ", ".join(searches(store)) or "none"
        under = f" under profile {profile!r}" if profile else ""
        raise RecordError(f"no search {study!r}{under} in {store.root} (known: {known})")
    try:
        return build(SearchSummary, read_object(found[-1]))
    except ValueError as error:
        raise RecordError(f"{found[-1]} is no summary of a search: {error}") from error


def _written(path: Path) -> float:
    return path.lstat().st_mtime


def searches(store: Store) -> list[str]:
    """List the studies that have a search's summary."""
    found = store.root.glob("studies/*/search/*/summary.json")
    return sorted({path.parents[2].name for path in found})
