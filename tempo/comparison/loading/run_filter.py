"""Parse `--where`, and decide for which runs all of its conditions hold.

`se = on and seed < 3 and params.recipe.lr <= 1e-4`. A name is `variant`, `role`, `seed`, `status`,
`run_id`, a factor, `params.<path>` (a field of the resolved config) or `metrics.<name>` (final
value). Operators: = != < <= > >= ~ (contains). Values may be quoted. MLflow's filter strings
(`params.x = 'y' and metrics.psnr > 30`) have this form, so they work on imported runs as well.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tempo.core.catalog import unknown
from tempo.core.errors import TempoError

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
    """Return the conditions of `text`.

    Raises:
        TempoError: with the part that is not a condition.
    """
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
