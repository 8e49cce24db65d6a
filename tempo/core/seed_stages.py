"""Define the stages of adaptive seeds: how many come first, how many follow, and the most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

DECIDED: Final = "decided"
"""The one end of adaptive seeds there is: a variant gets no more once its contrasts are decided."""

FEWEST = 3
"""The fewest seeds of a first stage: with two, every verdict is inconclusive, whatever the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedStages:
    """Every variant gets the seeds 0 to `first` - 1, and `step` more at a time up to `last` in all,
    as long as its contrasts are undecided."""

    first: int
    last: int
    step: int = 1

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of seeds at which a variant may be looked at, in order."""
        return (*range(self.first, self.last, self.step), self.last)

    def before(self, count: int) -> int:
        """The number of seeds at the look before the one at `count`; 0 before the first."""
        return max((each for each in self.counts if each < count), default=0)

    def after(self, count: int) -> int:
        """The number of seeds at the look after the one at `count`; `count` itself at the end."""
        return min((each for each in self.counts if each > count), default=count)

    def to_json(self) -> dict[str, Any]:
        """The stages as a spec writes them under `seeds`."""
        return {"from": self.first, "to": self.last, "by": self.step, "until": DECIDED}

    @classmethod
    def of(cls, seeds: Any) -> SeedStages | None:
        """The stages in a spec's `seeds` as JSON values; None for a count or a list."""
        if not isinstance(seeds, Mapping):
            return None
        return cls(first=seeds["from"], last=seeds["to"], step=seeds["by"])

    def __str__(self) -> str:
        return f"{self.first} to {self.last} seeds a variant"
