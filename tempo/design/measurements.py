"""Declare what a plan needs measured: prices, widths, results, weights, each possibly unknown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from tempo.core.records import Parent
from tempo.records.files import sha256_of
from tempo.records.prices import Price

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """The width whose `cost` is nearest to the cost `wanted`."""

    base_channels: int
    cost: float
    wanted: float

    @property
    def off(self) -> float:
        """Return the relative difference; -0.05 is 5 % too little."""
        return self.cost / self.wanted - 1


class Measured(Protocol):
    """Measurements and counts. None: unknown, and not to be guessed."""

    @property
    def pricing(self) -> bool:
        """Return whether the plan is made only to price its variants, with budgets as written."""

    def price(self, config: Config) -> Price | None:
        """Return the price of a config on the device at hand."""

    def width(self, config: Config, target: Config, by: str) -> Width | None:
        """Return the width at which `config` costs what `target` costs.

        `by` is parameters, macs or step_time.
        """

    def quality(self, run_id: str) -> float | None:
        """Return the validation PSNR in dB of a complete run's chosen checkpoint, else None."""

    def weights(self, source: str) -> Parent | None:
        """Return the recorded run or the file that a text names; None where it names neither.

        Raises:
            TempoError: when it could be several runs, or is of no use as a source of weights.
        """


class Unmeasured:
    """No measurement is known."""

    pricing = False

    def price(self, config: Config) -> Price | None:
        return None

    def width(self, config: Config, target: Config, by: str) -> Width | None:
        return None

    def quality(self, run_id: str) -> float | None:
        return None

    def weights(self, source: str) -> Parent | None:
        return file_with_weights(source)


class Undecided(Unmeasured):
    """No measurement is known yet; the plan leaves out what measurements decide."""

    pricing = True

    def weights(self, source: str) -> Parent | None:
        return file_with_weights(source) or Parent(source=source, run_id=source)


def file_with_weights(source: str) -> Parent | None:
    """Return the file that a text names, identified by its content; None when there is none."""
    path = Path(source).expanduser()
    return Parent(source=source, sha256=sha256_of(path)) if path.is_file() else None


NARROWEST, WIDEST = 4, 512
"""Bounds of `arch.base_channels`."""


def nearest_width(cost: Callable[[int], float], wanted: float) -> Width:
    """Return the width whose cost is nearest to `wanted`, by bisection; `cost` rises with width.

    `cost` is called for about nine widths, each once.
    """
    at = cache(cost)
    high = NARROWEST + bisect_left(range(NARROWEST, WIDEST), wanted, key=at)
    low = max(high - 1, NARROWEST)
    best = min((low, high), key=lambda width: abs(at(width) - wanted))
    return Width(base_channels=best, cost=at(best), wanted=wanted)
