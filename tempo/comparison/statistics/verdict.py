"""Decide the verdict on a difference from its tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tempo.comparison.statistics.quantities import Verdict, Word

MIN_SEEDS = 3
"""Two seeds never settle anything: even a t interval then covers 88 % instead of 95 %."""

CLIPS_SHORT = (
    "more seeds alone would not settle it: the clips vary too much for so small a difference, or "
    "it lies at the edge of what counts as equivalent"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A difference with its tests. `better` is +1 when higher is better, -1 when lower is.

    `p` and `p_equal` are adjusted for the family; `seeds` could be paired, and `needed()` seeds
    would probably settle the case.
    """

    value: float
    unit: str
    digits: int
    p: float
    p_equal: float | None
    better: int
    delta: float | None
    alpha: float
    seeds: int
    needed: Callable[[], int | None]
    same_runs: bool = False

    @property
    def amount(self) -> str:
        """The difference with its sign and unit."""
        return _with_unit(f"{self.value:+.{self.digits}f}", self.unit)


def judge(case: Case) -> Verdict:
    """Return the verdict on a contrast, and why.

    Equivalence comes first: a difference can be real and still too small to matter.
    """
    if case.same_runs:
        return Verdict(word=Word.EQUIVALENT, reason="the very same runs: nothing differs")
    if case.seeds < MIN_SEEDS:
        return _too_few(case)
    if case.p_equal is not None and case.p_equal <= case.alpha and case.delta is not None:
        within = _with_unit(f"{case.delta:g}", case.unit)
        real = "; the difference is real, but smaller than that" if case.p <= case.alpha else ""
        return Verdict(word=Word.EQUIVALENT, reason=f"within {within} either way{real}")
    if case.p <= case.alpha:
        word = Word.BETTER if case.value * case.better > 0 else Word.WORSE
        return Verdict(word=word, reason=f"{case.amount}, adjusted p = {_p(case.p)}")
    return _open(case)


def _too_few(case: Case) -> Verdict:
    plural = "seed" if case.seeds == 1 else "seeds"
    reason = f"{case.seeds} paired {plural} cannot settle a difference; at least {MIN_SEEDS} can"
    needed = case.needed()
    if needed is None:
        return Verdict(word=Word.INCONCLUSIVE, reason=f"{reason}, and {CLIPS_SHORT}")
    more = max(needed, MIN_SEEDS) - case.seeds
    reason += f"; about {more} more would probably do"
    return Verdict(word=Word.INCONCLUSIVE, reason=reason, more_seeds=more)


def _open(case: Case) -> Verdict:
    needed = case.needed()
    said = f"{case.amount}, adjusted p = {_p(case.p)}"
    if needed is None:
        return Verdict(word=Word.INCONCLUSIVE, reason=f"{said}; {CLIPS_SHORT}")
    more = max(needed - case.seeds, 1)
    reason = f"{said}; needs about {more} more {'seeds' if more > 1 else 'seed'}"
    return Verdict(word=Word.INCONCLUSIVE, reason=reason, more_seeds=more)


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text
