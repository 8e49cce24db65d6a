"""Hold the numbers that a comparison states, with their uncertainty and the runs behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from tempo.core.records import MetricInfo
from tempo.core.t_interval import two_sided_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value and its confidence interval.

    `low`, `high`, `se` and `df` are None when the data cannot carry an interval (one seed);
    `level` is the nominal coverage (0.95), of a whole family where `single_level` says at which
    level this interval alone stands; `method` names how the interval was made.
    """

    value: float
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    single_level: float | None = None
    se: float | None = None
    df: float | None = None
    method: str = ""

    @classmethod
    def of_t(cls, value: float, se: float, df: float, *, level: float, method: str) -> Interval:
        half = two_sided_quantile(level, df) * se
        low, high = value - half, value + half
        return cls(value=value, low=low, high=high, level=level, se=se, df=df, method=method)

    @classmethod
    def of_one_seed(cls, value: float, level: float) -> Interval:
        """Return a value without bounds: one seed shows no spread."""
        return cls(value=value, level=level, method="one seed: no interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A variant's metric, averaged over clips, then over its finished seeds.

    `mean` is over the `n` seeds that finished of the `planned_n` asked for; `sd` is the sample
    standard deviation over seeds (None below two); `low` and `high` bound the mean over seeds for
    these clips. `seeds`, `values` and `run_ids` run in parallel.
    """

    metric: str
    mean: float
    sd: float | None
    n: int
    planned_n: int
    low: float | None
    high: float | None
    level: float
    seeds: tuple[int | None, ...]
    values: tuple[float, ...]
    run_ids: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every planned seed is in the mean."""
        return self.n == self.planned_n


class Word(StrEnum):
    """The verdict on a contrast. `better` always means better, whatever the metric's direction."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The chance that a contrast becomes decided by `seeds` seeds.

    `low` and `high` are the chances that the 10 % and the 90 % quantile of what is known of noise
    and difference would give.
    """

    seeds: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A word, why it was chosen, and what an open case may still come to.

    `chance` is that of becoming decided by the planned seeds, where some are still to come;
    `futile`: it is so small that more seeds are not worth their price.
    """

    word: Word
    reason: str
    chance: Chance | None = None
    futile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a recorded look decided about a contrast: it stands, whatever comes later."""

    word: Word
    seeds: int
    value: float
    low: float | None
    high: float | None
    p_adjusted: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSettings:
    """The metric, equivalence margin, confidence level and power that a family is judged by."""

    __test__: ClassVar[bool] = False  # pytest collects classes of this name
    info: MetricInfo
    delta: float | None
    level: float
    power: float

    @property
    def alpha(self) -> float:
        return round(1 - self.level, 12)

    @property
    def sign(self) -> int:
        """+1 when higher is better, -1 when lower is."""
        return 1 if self.info.better == "higher" else -1

    def with_unit(self, value: float) -> str:
        """Return a difference in the metric's unit as text, with a digit more than its values."""
        return f"{value:.{self.info.digits + 1}f} {self.info.unit}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Standard deviations of a paired difference, in the metric's unit.

    `seed`: between seeds; `source`: between source videos or photographs; `clip`: between clips of
    one source; `residual`: what is left per seed and clip. None where it cannot be estimated.
    `prior_df`: degrees of freedom that the seed part owes to other contrasts, `test` says which.
    """

    seed: float | None
    source: float | None = None
    clip: float | None = None
    residual: float | None = None
    prior_df: float = 0.0
    test: str = ""


Kind = Literal["rule", "test sets", "secondary", "exploratory"]
"""Whether a contrast is of the family that the study's rule was fixed for, of the families that all
further test sets share, beside these, or asked otherwise than the rule says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """`variant` minus `baseline` in one metric, paired by seed and clip.

    `p` is two-sided, `p_adjusted` after Holm over `family`; the verdict uses the adjusted one.
    `seeds`, `values` (that seed's mean difference) and `run_ids` (variant's run, baseline's run)
    run in parallel. `difference` is None when nothing can be paired; the verdict says why.
    `looked` are the numbers of seeds at earlier looks; `decided_at` that of the look whose word
    stands, None where the word is of now.
    """

    variant: str
    baseline: str
    metric: str
    difference: Interval | None
    p: float | None
    p_adjusted: float | None
    verdict: Verdict
    delta: float | None
    family: str
    components: Components | None
    seeds: tuple[int | None, ...]
    planned_n: int
    clips: int
    sources: int
    values: tuple[float, ...]
    run_ids: tuple[tuple[str, str], ...]
    kind: Kind = "rule"
    looked: tuple[int, ...] = ()
    decided_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A main effect or an interaction of a factorial design, averaged over the other factors.

    For a main effect `factors` has one name and `terms` the two levels compared,
    (level, reference level); for an interaction two names, and `terms` has those of each factor
    in turn: (a1, a0, b1, b0), the difference of differences (a1b1 - a0b1) - (a1b0 - a0b0).
    `change` is None when the design cannot estimate it; `note` says why or what is missing.
    """

    factors: tuple[str, ...]
    terms: tuple[str, ...]
    metric: str
    change: Interval | None
    p: float | None
    p_adjusted: float | None
    verdict: Verdict
    cells: int
    planned_cells: int
    note: str = ""
    run_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An effect that this design cannot tell from the effects in `with_effects`."""

    effect: str
    with_effects: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One bar of an attribution: the change that `factor` makes, and where it leads.

    `kind`: add_in (into the start), leave_out (of the end; the sign is that of keeping it) or
    ladder. `variant` is the arm that carries it, `against` the arm it is compared with;
    `level` is the metric's mean at `variant`. None where an arm has not finished.
    """

    kind: str
    factor: str
    variant: str | None
    against: str | None
    change: Interval | None
    level: float | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """How a gain from `start` to `end` splits over the factors in which they differ.

    `residual` is total minus the sum of the add-ins: the interaction. `changes` maps a factor to
    its value at the start and at the end, as text.
    """

    metric: str
    start: str
    end: str
    changes: Mapping[str, tuple[str, str]]
    total: Interval | None
    add_in: tuple[Rung, ...]
    leave_out: tuple[Rung, ...]
    ladder: tuple[Rung, ...]
    residual: Interval | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise floor: how far apart two means of the same variant fall by their seeds alone.

    `seed_sd` is the standard deviation of a run's metric over seeds, what all variants share of a
    seed included; `floor` bounds the difference of two means over as many fresh seeds as there are.
    `df` are the degrees of freedom of `seed_sd`; `sentence` says all that.
    """

    metric: str
    seed_sd: float | None
    seeds: int
    df: float | None
    floor: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """`seeds` a variant detect a difference of `detectable` with probability `power`.

    `low` and `high` are what 80 % of the noises that the data allow would give: the noise itself is
    an estimate.
    """

    metric: str
    seeds: int
    detectable: float | None
    low: float | None
    high: float | None
    power: float
    alpha: float
    sentence: str
