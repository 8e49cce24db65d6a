"""Hold the rule that the verdicts of a study follow, which is fixed before its first result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tempo.core.identity import short_hash

Spending = Literal["obrien_fleming", "pocock"]
"""How the error rate is spread over looks: little at first, or about the same at every look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is asked of a study's data, and with which error rate, before there are any.

    `metrics`: one family of contrasts over all of them. `delta`: the half-width of `equivalent` by
    metric, None where no difference counts as none. `alpha`: the error rate over the whole family.
    `power`: the probability that "detects" means. `on`: the clips that judge. `spending`: how
    `alpha` is spread over looks. `baseline`: the control variant. `sentence` says all of it.
    """

    metrics: tuple[str, ...]
    delta: Mapping[str, float | None]
    alpha: float
    power: float
    on: str
    spending: Spending
    baseline: str | None
    sentence: str

    @property
    def level(self) -> float:
        """The coverage of intervals."""
        return round(1 - self.alpha, 12)

    @property
    def hash(self) -> str:
        """The short hash of what decides the words: all but the power and the sentence."""
        return short_hash({key: each for key, each in _chosen(self).items() if key != "power"})

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON values."""
        return asdict(self) | {"metrics": list(self.metrics), "delta": dict(self.delta)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Rule:
        """Return the rule that `to_json` wrote."""
        return cls(**{**value, "metrics": tuple(value["metrics"])})


def _chosen(rule: Rule) -> dict[str, Any]:
    value = rule.to_json()
    del value["sentence"]
    return value


def same_rule(one: Rule, other: Rule) -> bool:
    """Return whether two rules ask the same, however their sentences are worded."""
    return _chosen(one) == _chosen(other)


def rule_changes(old: Rule, new: Rule) -> Iterator[str]:
    """Yield what differs from one rule to another, each as `the error rate from 5 % to 10 %`."""
    pairs = [
        ("the metrics", ", ".join(old.metrics), ", ".join(new.metrics)),
        ("the error rate", share(old.alpha), share(new.alpha)),
        ("the power", share(old.power), share(new.power)),
        ("the clips", old.on, new.on),
        ("the spending of the error rate", old.spending, new.spending),
        ("the baseline", str(old.baseline), str(new.baseline)),
    ]
    shared = (name for name in old.delta if name in new.delta)
    pairs += [
        (f"the delta of {name}", _number(old.delta[name]), _number(new.delta[name]))
        for name in shared
    ]
    yield from (f"{what} from {was} to {now}" for what, was, now in pairs if was != now)


def share(value: float) -> str:
    """Return `5 %` for 0.05."""
    return f"{100 * value:.3g} %"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
