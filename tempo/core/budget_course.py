"""Say how far a training has come in its budget, and what follows a schedule over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A step of a stage of training, counted from 0, and how many steps the stage has."""

    step: int
    steps: int

    @property
    def progress(self) -> float:
        """The share of the stage's budget spent before the step, 0 to 1."""
        return self.step / self.steps

    def passed(self, untils: Sequence[float]) -> int:
        """Return how many of `untils`, rising fractions of the budget, lie behind.

        Each lies at the nearest whole step.
        """
        return sum(self.step >= round(until * self.steps) for until in untils)


END = Moment(1, 1)
"""When the budget is spent, and every schedule has come to its last value."""


@dataclass(frozen=True, slots=True)
class Course:
    """The steps that a training takes on one data set, in one stage or several.

    Steps and samples are counted from 0 over the stages on this data set alone; `stages` are the
    steps of each, `batch` the samples of a step.
    """

    stages: tuple[int, ...]
    batch: int

    def at(self, step: int) -> Moment:
        """Return where step index `step` lies in its stage; behind the last one it is the end."""
        for steps in self.stages:
            if step < steps:
                return Moment(step, steps)
            step -= steps
        return END

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the first sample and the number of samples of each stage."""
        first = 0
        for steps in self.stages:
            yield first, steps * self.batch
            first += steps * self.batch


@dataclass(frozen=True, slots=True)
class Ramp:
    """A weight that is 0 before `start`, then goes in a line from `first` to `last` at the end.

    `start` is a fraction of the budget.
    """

    first: float = 1.0
    last: float | None = None
    start: float = 0.0

    @property
    def end(self) -> float:
        """The weight once the budget is spent."""
        return self.first if self.last is None else self.last

    def at(self, progress: float) -> float:
        """Return the weight at `progress`, 0 to 1 of the budget."""
        if progress < self.start:
            return 0.0
        share = (progress - self.start) / (1 - self.start)
        return self.first + (self.end - self.first) * share
