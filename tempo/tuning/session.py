"""Drive a search: ask for the next trial, report its validations, record how it ended.

Nothing here starts a process or waits for one. A driver asks for trials, carries out their runs
like any other runs, lets `observe` look at what they wrote, and says how they ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from tempo.core.records import PlannedRun
from tempo.design.run_cost import budget_in
from tempo.ledger.port import Ledger
from tempo.records.event_log import Tail
from tempo.records.events import Validated
from tempo.records.layout import Store
from tempo.records.pruned_runs import note_pruned, pruned_in
from tempo.records.run_record import read_run
from tempo.records.search_record import Spent, search_dir
from tempo.spec.load import LoadedStudy
from tempo.spec.search_section import MAXIMISED
from tempo.tuning.backend.storage import (
    check_study,
    ensure_study,
    open_storage,
    optuna_name,
    signature,
)
from tempo.tuning.given_trials import add_known
from tempo.tuning.proposals import Costs, Proposals
from tempo.tuning.space import Space
from tempo.tuning.stopping_rules import exceeds, has_lost, make_pruner, spending
from tempo.tuning.tickets import Ticket, Tickets
from tempo.tuning.trials import (
    RESULT,
    Trial,
    by_ticket,
    is_complete,
    is_outside,
    result_json,
    seed_values,
    values_of,
)


def check_unchanged(loaded: LoadedStudy, store: Store) -> bool:
    """Return whether the search was begun before, without creating anything.

    Raises:
        SpecError: it was begun with another space.
    """
    space = Space(loaded)
    folder = search_dir(store, loaded.spec.study)
    if not folder.is_dir():
        return False
    storage = open_storage(space.search.storage, folder)
    return check_study(storage, optuna_name(loaded), signature(space), space.place)


class Search:
    """One driver of a search; a context manager that keeps its tickets.

    Args:
        costs: what a config costs, by quantity, before it is trained.

    Raises:
        SpecError: the search was begun with another space.
    """

    def __init__(
        self, loaded: LoadedStudy, store: Store, ledger: Ledger, *, costs: Costs | None = None
    ) -> None:
        self.space = Space(loaded)
        self.spec, self.store = self.space.search, store
        self.seeds = loaded.spec.seeds
        self.name = optuna_name(loaded)
        self.folder = search_dir(store, loaded.spec.study)
        self.storage = open_storage(self.spec.storage, self.folder)
        with FileLock(self.folder / "lock"):
            ensure_study(
                self.storage, self.name, self.spec, signature(self.space), self.space.place
            )
            self.skipped = add_known(self.space, self.storage, self.name, store)
        self.tickets = Tickets(ledger, self.name, self.spec.heartbeat)
        config = self.space.base.resolved.config
        steps = budget_in(config["recipe"], "steps")
        self._pruner = make_pruner(
            self.spec, config["evaluation"]["val_every"], None if steps is None else int(steps)
        )
        self.proposals = Proposals(self.space, self.storage, self.name, self.tickets, costs)
        self._study_id = self.storage.get_study_id_from_name(self.name)
        self._tails: dict[int, Tail] = {}
        self._handles: dict[int, optuna.trial.Trial] = {}

    def __enter__(self) -> Search:
        self.tickets.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.tickets.__exit__(*error)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials as the storage has them now."""
        return self.storage.get_all_trials(self._study_id, deepcopy=False)

    def ask(self, active: Sequence[Trial] = ()) -> Trial | None:
        """Return the next trial for this driver: one that another driver left, or a new one.

        None while others hold all that is left, and when nothing is left.
        """
        ticket = self.tickets.claim(self._open_tickets(self.trials(), active))
        if ticket is None:
            return None
        # Another driver may have finished it between the look and the claim.
        now = by_ticket(self.trials()).get(ticket)
        if now is not None and now.state.is_finished():
            self.tickets.release(ticket)
            return None
        return self.proposals.make(ticket, now, self.seeds, prunable=self.spec.curve is not None)

    def _open_tickets(self, trials: Sequence[FrozenTrial], active: Sequence[Trial]) -> list[Ticket]:
        """Return the tickets left to do: trials that began, then new ones while there is budget."""
        known = by_ticket(trials)
        begun: list[Ticket] = [t for t, frozen in known.items() if not frozen.state.is_finished()]
        spent = spending(trials, [trial.started for trial in active])
        if exceeds(spent, self.spec.budget):
            return begun
        return begun + self.proposals.new_tickets(known)

    def spending(self, active: Sequence[Trial] = ()) -> Spent:
        """Return what the search has used so far, this driver's active trials included."""
        return spending(self.trials(), [trial.started for trial in active])

    def finished(self) -> bool:
        """Return whether no trial is left to do, for this driver or another."""
        return not self._open_tickets(self.trials(), ())

    def begin(self, trial: Trial) -> list[int]:
        """Return the seeds to run first: one that decides about the others, or all at once."""
        alone = trial.prunable or self._races
        seeds = list(trial.runs)
        return self._asked(trial, seeds[:1] if alone else seeds)

    @property
    def _races(self) -> bool:
        return self.spec.race is not None and len(self.spec.objectives) == 1

    def _asked(self, trial: Trial, seeds: Sequence[int]) -> list[int]:
        trial.asked |= set(seeds)
        return list(seeds)

    def observe(self, trial: Trial) -> bool:
        """Report the first seed's new validations; return whether to stop the trial.

        The storage has been told of a trial that is to stop; its runs are the driver's to stop.
        """
        if not (self._follow(trial) and trial.prunable and self._handle(trial).should_prune()):
            return False
        self._finish(trial, TrialState.PRUNED)
        return True

    def _follow(self, trial: Trial) -> bool:
        """Report new validations; return whether there were any."""
        if self.spec.curve is None or trial.over or trial.point.outside:
            return False
        tail = self._tails.setdefault(
            trial.optuna_id, Tail(self._run_dir(trial.runs[trial.first_seed]))
        )
        news = False
        for logged in tail.read():
            if isinstance(logged.event, Validated):
                news |= self._report(trial, logged.event)
        return news

    def _report(self, trial: Trial, event: Validated) -> bool:
        value = event.values.get(str(self.spec.curve))
        if event.step in trial.steps or value is None or math.isnan(value):
            return False
        trial.steps.add(event.step)
        self._handle(trial).report(value, event.step)
        return True

    def _handle(self, trial: Trial) -> optuna.trial.Trial:
        if trial.optuna_id not in self._handles:
            study = optuna.study.Study(
                self.name, self.storage, optuna.samplers.RandomSampler(seed=0), self._pruner
            )
            self._handles[trial.optuna_id] = optuna.trial.Trial(study, trial.optuna_id)
        return self._handles[trial.optuna_id]

    def _run_dir(self, run: PlannedRun) -> Path:
        return self.store.run_dir(run.run_id)

    def mark(self, run_ids: Sequence[str], *, pruned: bool) -> None:
        """Note that runs are pruned, or else that those among them that were go on after all."""
        loaded = self.space.loaded
        place = (self.store, loaded.spec.study, loaded.profile)
        known = frozenset() if pruned else pruned_in(*place)
        note_pruned(*place, [e for e in run_ids if pruned or e in known], pruned=pruned)

    def completed(self, trial: Trial, seed: int) -> list[int]:
        """Record a seed's complete run; return the seeds to run next, none after the last."""
        if trial.over:
            return []
        self._follow(trial)
        try:
            record = read_run(self._run_dir(trial.runs[seed]))
            trial.done[seed] = values_of(record, self.spec.objectives)
        except ValueError as error:
            self._finish(trial, TrialState.FAIL, note=str(error))
            return []
        left = [each for each in trial.runs if each not in trial.done]
        if not left:
            self._finish(trial, TrialState.COMPLETE)
            return []
        if len(trial.asked) == len(trial.runs):
            return []
        if self._races and not trial.point.outside and self._lost(trial):
            self._finish(trial, TrialState.COMPLETE, raced=True)
            return []
        return self._asked(trial, [each for each in left if each not in trial.asked])

    def _lost(self, trial: Trial) -> bool:
        sign = 1.0 if self.spec.objectives[0] in MAXIMISED else -1.0
        complete: dict[bool, list[list[float]]] = {False: [], True: []}
        for frozen in by_ticket(self.trials()).values():
            if is_complete(frozen, len(self.seeds)):
                values = [sign * each[0] for each in seed_values(frozen)]
                complete[is_outside(frozen)].append(values)
        assert self.spec.race is not None
        mine = [sign * values[0] for values in trial.done.values()]
        return has_lost(
            mine, complete[False], seeds=len(self.seeds), z=self.spec.race, beside=complete[True]
        )

    def failed(self, trial: Trial, seed: int, reason: str) -> None:
        """Record that a seed's run failed, and with it the trial."""
        if not trial.over:
            self._finish(trial, TrialState.FAIL, note=f"seed {seed}: {reason}")

    def abandon(self, trial: Trial) -> None:
        """Release a trial unchanged, for another driver to continue."""
        trial.over = True
        self.tickets.release(trial.ticket)

    def _finish(
        self, trial: Trial, state: TrialState, *, note: str = "", raced: bool = False
    ) -> None:
        """Record how a trial ended, if this driver still holds its ticket."""
        trial.over = True
        self._tails.pop(trial.optuna_id, None)
        self._handles.pop(trial.optuna_id, None)
        if not self.tickets.confirm(trial.ticket):
            return
        if self.storage.get_trial(trial.optuna_id).state.is_finished():
            self.tickets.release(trial.ticket)
            return
        records = {
            seed: read_run(self._run_dir(run))
            for seed, run in trial.runs.items()
            if seed in trial.asked and (self._run_dir(run) / "run.json").is_file()
        }
        result = result_json(trial, records, self.spec.curve, note=note, raced=raced)
        self.storage.set_trial_user_attr(trial.optuna_id, RESULT, result)
        self._tell(trial, state)
        self.tickets.release(trial.ticket)

    def _tell(self, trial: Trial, state: TrialState) -> None:
        study = self.proposals.study(trial.ticket, 0)
        if state is TrialState.COMPLETE and trial.point.outside:
            # Without params of the space its value would mislead the sampler.
            state = TrialState.PRUNED
        if state is not TrialState.COMPLETE:
            study.tell(trial.number, state=state)
            return
        values = list(zip(*trial.done.values(), strict=True))
        study.tell(trial.number, [sum(each) / len(each) for each in values], state=state)
