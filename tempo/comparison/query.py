"""Describe what is asked of the records: which numbers, of which runs, against what, read where.

`--where` keeps the runs for which all conditions hold: `se = on and seed < 3 and
params.recipe.lr <= 1e-4`. A name is `variant`, `role`, `seed`, `status`, `run_id`, a factor,
`params.<path>` (a field of the resolved config) or `metrics.<name>` (final value). Operators: = !=
< <= > >= ~ (contains). Values may be quoted. MLflow's filter strings (`params.x = 'y' and
metrics.psnr > 30`) have this form, so they work on imported runs as well.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tempo.core.catalog import unknown
from tempo.core.errors import TempoError
from tempo.core.records import MetricInfo
from tempo.core.verdict_rule import Rule
from tempo.spec.verdict import default_delta

_CONDITION = re.compile(
    r"""\s*(?P<name>[\w.\-/]+|"[^"]+"|`[^`]+`)\s*(?P<op><=|>=|!=|==|=|<|>|~)\s*"""
    r"""(?P<value>"[^"]*"|'[^']*'|[^\s"']+)\s*""",
    re.VERBOSE,
)
_AND = re.compile(r"and\b", re.IGNORECASE)
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class At:
    """Where a number is read: the final test evaluation, or validation at a step.

    `final`: the test split, of the checkpoint that the run chose; `best-val`: validation at each
    run's best step (optimistic: chosen on the same clips); `step`: validation at `step`.
    """

    kind: Literal["final", "best-val", "step"] = "final"
    step: int | None = None

    def __str__(self) -> str:
        return str(self.step) if self.kind == "step" else self.kind


def parse_at(text: str) -> At:
    """Return the place that `final`, `best-val` or a step names; raise TempoError for others."""
    if text == "final":
        return At("final")
    if text == "best-val":
        return At("best-val")
    if text.isascii() and text.isdigit():
        return At("step", int(text))
    raise TempoError(f"--at is `final`, `best-val` or a step, not {text!r}")


BESIDE = ("ssim",)
"""Columns beside the primary metric where none are asked for; metrics of plug-ins follow them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question to the records. The defaults ask what the study's rule asks.

    `baseline`: the control (default: the plan's, or its first trained variant). `metric`: the
    primary metric (default: the rule's, or the first there is); `metrics`: columns beside it.
    `delta`: half-width of `equivalent` in the primary metric's unit. `level`: coverage of
    intervals, `1 - level` the error rate of verdicts. `where` keeps some runs, `group_by` orders
    and labels rows by a factor. `passing`: values for the first-pass times. `attribution`: start
    and end variant. `detail`: `table` leaves out everything a terminal table does not need. `rule`:
    what holds where nothing else is asked; `under` puts it in.
    """

    baseline: str | None = None
    metric: str | None = None
    metrics: tuple[str, ...] = BESIDE
    at: At = At()
    where: RunFilter | None = None
    group_by: str | None = None
    delta: float | None = None
    level: float | None = None
    passing: tuple[float, ...] = ()
    attribution: tuple[str, str] | None = None
    detail: Literal["table", "full"] = "full"
    rule: Rule | None = None

    def __post_init__(self) -> None:
        if self.level is not None and not 0.5 <= self.level < 1:
            raise TempoError(f"level is a probability from 0.5 to below 1, not {self.level}")
        if self.delta is not None and not self.delta > 0:
            raise TempoError(f"delta is a difference above 0, not {self.delta}")

    def under(self, rule: Rule) -> Query:
        """Return the question with what the rule says wherever nothing else is asked."""
        if self.metric is not None or rule.metrics == ("psnr",):
            # Records of other programs need not have psnr: the first metric then stands in for it.
            return replace(self, rule=rule)
        first, *others = rule.metrics
        beside = tuple(dict.fromkeys((*others, *self.metrics)))
        return replace(self, rule=rule, metric=first, metrics=beside)

    @property
    def coverage(self) -> float:
        """The coverage of intervals: what was asked, or what the rule leaves of one."""
        if self.level is not None:
            return self.level
        return self.rule.level if self.rule else 0.95

    @property
    def power(self) -> float:
        """The probability that "detects" means."""
        return self.rule.power if self.rule else 0.8

    def delta_of(self, info: MetricInfo, *, primary: bool) -> float | None:
        """Return the half-width of `equivalent` for a metric; None when none was ever stated."""
        if primary and self.delta is not None:
            return self.delta
        if self.rule and info.name in self.rule.delta:
            return self.rule.delta[info.name]
        return default_delta(info)


def parse_query(
    *,
    baseline: str | None = None,
    metrics: str | None = None,
    at: str = "final",
    where: str | None = None,
    group_by: str | None = None,
    delta: float | None = None,
    level: float | None = None,
    passing: str | None = None,
    attribution: Sequence[str] | None = None,
    detail: Literal["table", "full"] = "full",
) -> Query:
    """Build a query from what was typed: `metrics` and `passing` are separated by commas.

    The first of `metrics` is the primary one; `attribution` is a start and an end variant.

    Raises:
        TempoError: for text that cannot be read.
    """
    names = [name.strip() for name in metrics.split(",")] if metrics else []
    ends = tuple(attribution) if attribution else None
    if ends is not None and len(ends) != 2:
        raise TempoError(f"attribution is between two variants, not {len(ends)}")
    return Query(
        baseline=baseline,
        metric=names[0] if names else None,
        metrics=tuple(names[1:]) if names else BESIDE,
        at=parse_at(at),
        where=parse_run_filter(where) if where is not None else None,
        group_by=group_by,
        delta=delta,
        level=level,
        passing=_numbers(passing),
        attribution=None if ends is None else (ends[0], ends[1]),
        detail=detail,
    )


def _numbers(text: str | None) -> tuple[float, ...]:
    if not text:
        return ()
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise TempoError(f"levels to pass are numbers such as 30,31.5, not {text!r}") from None


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a named fact of a run with a value, as written."""

    name: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Conditions that a run must all meet; `text` is how they were written."""

    text: str
    conditions: tuple[Condition, ...]


def parse_run_filter(text: str) -> RunFilter:
    """Return the conditions of `text`; raise TempoError with the part that is not a condition."""
    found: list[Condition] = []
    rest = text
    while True:
        match = _CONDITION.match(rest)
        if match is None:
            raise TempoError(
                f"--where is conditions joined by `and`, such as `se = on and seed < 3`; "
                f"cannot read {rest.strip()!r}"
            )
        name, value = match["name"].strip('"`'), match["value"]
        quoted = value[0] in "\"'" and len(value) > 1
        found.append(Condition(name, match["op"], value[1:-1] if quoted else value))
        rest = rest[match.end() :]
        if not rest.strip():
            return RunFilter(text, tuple(found))
        joint = _AND.match(rest)
        if joint is None:
            raise TempoError(f"--where: expected `and` before {rest.strip()!r}")
        rest = rest[joint.end() :]


def matches(run_filter: RunFilter, facts: Mapping[str, Any]) -> bool:
    """Return whether all conditions are true of a run's `facts`; none is of a missing fact.

    Raises:
        TempoError: for a plain name that is no fact at all, with the nearest one.
    """
    return all(_one(condition, facts) for condition in run_filter.conditions)


def _one(condition: Condition, facts: Mapping[str, Any]) -> bool:
    name = condition.name.removeprefix("attributes.").removeprefix("tags.")
    if name not in facts and not name.startswith(("params.", "metrics.")):
        plain = [fact for fact in facts if "." not in fact]
        raise TempoError(f"--where: {unknown('name', name, plain)}")
    fact = facts.get(name)
    return fact is not None and _compare(fact, condition.op, condition.value)


def _compare(fact: Any, op: str, text: str) -> bool:
    if op == "~":
        return text in str(fact)
    number = _number(text)
    known = _number(str(fact))
    both = number is not None and known is not None
    if op in ORDER:
        return both and ORDER[op](known, number)
    equal = known == number if both else str(fact).lower() == text.lower()
    return equal if op in ("=", "==") else not equal


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
