"""Make the trial of a ticket: enqueued, from a fixed sequence, or sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from tempo.core.errors import SpecError
from tempo.tuning.backend.samplers import make_sampler, sequence, suggest
from tempo.tuning.backend.storage import promotions
from tempo.tuning.given_trials import named
from tempo.tuning.space import Parameter, Point, RejectedError, Space
from tempo.tuning.tickets import Ticket, Tickets
from tempo.tuning.trials import NAME, ORIGIN, REJECTED, TICKET, Trial, name_of, runs_of, ticket_of

Costs = Callable[[Mapping[str, Any], Sequence[str]], Mapping[str, float]]
"""Returns what a config costs, by the quantities asked for."""

PATIENCE = 200
"""Proposals in a row that may be rejected before the constraints are taken to rule out all."""

AHEAD = 64
"""New tickets to look at where the budget gives no count."""

ATTEMPT = "attempt"
"""User attribute: how many proposals of the same ticket were rejected before."""

FIRST, PROMOTED = "first:", "promoted:"
"""What the tickets of enqueued and of promoted trials begin with."""

FIXED = "fixed_params"
"""Optuna's name for params that were decided beforehand."""


class Proposals:
    """Makes the trials of one driver; rejected proposals cost no ticket."""

    def __init__(
        self,
        space: Space,
        storage: BaseStorage,
        name: str,
        tickets: Tickets,
        costs: Costs | None = None,
    ) -> None:
        self._space, self._storage, self._name = space, storage, name
        self._tickets, self._costs = tickets, costs
        self._study_id = storage.get_study_id_from_name(name)
        self.first = {f"{FIRST}{key}": point for key, point in named(space)}
        self._sequence = sequence(space)
        self._points: list[Point] = []
        self.rejected: Counter[str] = Counter()

    def study(self, ticket: Ticket, attempt: int) -> optuna.study.Study:
        """Return the Optuna study with the sampler of one ask."""
        sampler = make_sampler(
            self._space.search.sampler, str(ticket), attempt, seed=self._space.search.seed
        )
        return optuna.study.Study(self._name, self._storage, sampler, optuna.pruners.NopPruner())

    def new_tickets(self, known: Mapping[Ticket, FrozenTrial]) -> list[Ticket]:
        """Return the tickets without a trial, in the order to take them."""
        wanted: list[Ticket] = [f"{PROMOTED}{n}" for n in promotions(self._storage, self._name)]
        wanted += self.first
        return [ticket for ticket in (*wanted, *self._sampled(known)) if ticket not in known]

    def _sampled(self, known: Mapping[Ticket, FrozenTrial]) -> Sequence[int]:
        count = self._space.search.budget.trials
        if count is None:
            begun = [ticket for ticket in known if isinstance(ticket, int)]
            count = max(begun, default=-1) + 1 + AHEAD
        else:
            count = max(count - len(self.first), 0)
        if self._sequence is not None:
            count = self._extend(count)
        return range(count)

    def make(
        self, ticket: Ticket, begun: FrozenTrial | None, seeds: Sequence[int], *, prunable: bool
    ) -> Trial | None:
        """Return the trial of a ticket; `begun` is one that another driver left, to be continued.

        None when the ticket was lost meanwhile.

        Raises:
            SpecError: the constraints rule out every proposal.
        """
        before = int(begun.user_attrs.get(ATTEMPT, 0)) if begun is not None else 0
        reason = ""
        for attempt in range(before, before + PATIENCE):
            if not self._tickets.confirm(ticket):
                return None
            number = begun._trial_id if begun else self._create(ticket, attempt)
            begun = None
            trial = optuna.trial.Trial(self.study(ticket, attempt), number)
            point, reason, excess = self._point(ticket, trial)
            if point is not None and not reason:
                return self._trial(ticket, trial, point, seeds, prunable=prunable)
            self._reject(trial, reason, excess)
        raise SpecError(
            f"{PATIENCE} proposals in a row were rejected, the last because: {reason}",
            self._space.place,
        )

    def _create(self, ticket: Ticket, attempt: int) -> int:
        """Create a trial in the storage that carries its ticket from its first moment on."""
        attributes: dict[str, Any] = {TICKET: ticket, ATTEMPT: attempt, ORIGIN: _origin(ticket)}
        if ticket in self.first:
            attributes[NAME] = str(ticket).removeprefix(FIRST)
        fixed = self._fixed(ticket)
        template = create_trial(
            state=TrialState.RUNNING,
            user_attrs=attributes,
            system_attrs={} if fixed is None else {FIXED: dict(fixed)},
        )
        made = self._storage.create_new_trial(self._study_id, template)
        if ticket not in self.first:
            self._keep_apart(made)
        return made

    def _keep_apart(self, made: int) -> None:
        """Rename a new trial when an earlier version, which counted otherwise, used its name."""
        name = name_of(self._storage.get_trial(made))
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        if any(each.user_attrs.get(NAME) == name for each in trials):
            self._storage.set_trial_user_attr(made, NAME, f"{name}b")

    def _promoted(self, number: str) -> FrozenTrial:
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        return trials[int(number)]

    def _fixed(self, ticket: Ticket) -> Mapping[str, Any] | None:
        if isinstance(ticket, str) and ticket.startswith(PROMOTED):
            return dict(self._promoted(ticket.removeprefix(PROMOTED)).params)
        if ticket in self.first:
            point = self.first[ticket]
            return None if point.outside else point.params
        if self._sequence is not None and isinstance(ticket, int):
            self._extend(ticket + 1)
            return self._points[ticket].params
        return None

    def _extend(self, count: int) -> int:
        """Extend the fixed sequence to `count` feasible points; return how many there are."""
        assert self._sequence is not None
        while len(self._points) < count:
            params = next(self._sequence, None)
            if params is None:
                break
            try:
                point = self._space.point(params)
                reason = self._broken(point)[0]
            except RejectedError as error:
                reason = str(error)
            if reason:
                self.rejected[reason] += 1
            else:
                self._points.append(point)
        return min(count, len(self._points))

    def _point(
        self, ticket: Ticket, trial: optuna.trial.Trial
    ) -> tuple[Point | None, str, Mapping[str, float]]:
        """Return a trial's point, why it cannot be trained, and by how much it fails."""
        if ticket in self.first and self.first[ticket].outside:
            return self.first[ticket], "", {}
        params = suggest(trial, self._space)
        try:
            point = self._space.point(params)
        except RejectedError as error:
            return None, str(error), {"valid": 1.0}
        if not isinstance(ticket, int):
            return point, "", {}
        reason, excess = self._broken(point)
        return point, reason, excess

    def _broken(self, point: Point) -> tuple[str, Mapping[str, float]]:
        """Return which constraints a point breaks, and its relative excess over each limit."""
        bounds = self._space.search.constraints
        if not bounds or self._costs is None:
            return "", {}
        costs = self._costs(point.resolved.config, [bound.quantity for bound in bounds])
        broken = {b: costs[b.quantity] / b.limit - 1 for b in bounds if costs[b.quantity] > b.limit}
        told = [f"breaks {bound}" for bound in broken]
        return "; ".join(told), {bound.quantity: excess for bound, excess in broken.items()}

    def _reject(self, trial: optuna.trial.Trial, reason: str, excess: Mapping[str, float]) -> None:
        """Tell the sampler of a proposal that was not trained."""
        for name, value in excess.items():
            trial.set_constraint(name, value)
        trial.set_user_attr(REJECTED, reason)
        trial.study.tell(trial.number, state=TrialState.PRUNED)

    def _trial(
        self,
        ticket: Ticket,
        trial: optuna.trial.Trial,
        point: Point,
        seeds: Sequence[int],
        *,
        prunable: bool,
    ) -> Trial:
        frozen = self._storage.get_trial(trial._trial_id)
        assert frozen.datetime_start is not None
        return Trial(
            ticket=ticket,
            optuna_id=trial._trial_id,
            number=frozen.number,
            name=name_of(frozen),
            origin=str(frozen.user_attrs[ORIGIN]),
            point=point,
            runs=runs_of(name_of(frozen), point, seeds),
            started=frozen.datetime_start.timestamp(),
            prunable=prunable and isinstance(ticket, int),
            steps=set(frozen.intermediate_values),
        )

    def point_of(self, frozen: FrozenTrial) -> Point:
        """Return a trial's point; raise RejectedError while another driver decides its params."""
        ticket = ticket_of(frozen)
        if ticket in self.first and self.first[ticket].outside:
            return self.first[ticket]

        def decided(parameter: Parameter) -> str | float:
            if parameter.name not in frozen.params:
                raise RejectedError(f"{parameter.name} is not decided yet")
            value: str | float = frozen.params[parameter.name]
            return value

        return self._space.point(self._space.assigned(decided))


def _origin(ticket: Ticket) -> str:
    if isinstance(ticket, int):
        return "sampled"
    return "promoted" if ticket.startswith(PROMOTED) else "enqueued"
