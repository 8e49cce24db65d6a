"""Check a rule that every variant must keep (`--gate`), for continuous integration of models.

`psnr >= baseline - 0.05`, `ssim > 0.93`, `psnr >= "V3 light"`. `sure(psnr) >= baseline - 0.05`
asks that the bound of the interval keeps the rule, not only the mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.query import ORDER
from tempo.comparison.statistics.quantities import Estimate, Interval
from tempo.core.catalog import unknown
from tempo.core.errors import TempoError

_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+"
_RULE = re.compile(
    rf"""\s*(?:(?P<sure>sure)\(\s*(?P<inner>[\w/]+)\s*\)|(?P<metric>[\w/]+))\s*
    (?P<op><=|>=|<|>)\s*
    (?:(?P<bound>[+-]?(?:{_NUMBER}))|(?P<name>baseline|"[^"]+"|'[^']+')
    (?:\s*(?P<sign>[+-])\s*(?P<margin>{_NUMBER}))?)\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """`metric` `op` (the value of `against`, or zero) + `offset`. `text` is how it was written."""

    text: str
    metric: str
    op: str
    against: str | None
    offset: float
    sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One variant at a gate; `sentence` says what was compared."""

    variant: str
    passed: bool
    sentence: str


def parse_gate(text: str) -> Gate:
    """Return the rule in `text`; raise TempoError for text that is no rule."""
    found = _RULE.fullmatch(text)
    if found is None:
        raise TempoError(
            f"--gate is a rule such as 'psnr >= baseline - 0.05' or 'ssim > 0.93', not {text!r}"
        )
    offset = float(found["bound"] or found["margin"] or 0.0)
    name = found["name"]
    return Gate(
        text=text,
        metric=found["inner"] or found["metric"],
        op=found["op"],
        against=name.strip("\"'") if name else None,
        offset=-offset if found["sign"] == "-" else offset,
        sure=bool(found["sure"]),
    )


def check(comparison: Comparison, gate: Gate) -> tuple[Outcome, ...]:
    """Check every trained variant but the one it is held against. What is missing does not pass.

    Raises:
        TempoError: when the metric is no column of the table or the variant is none of it.
    """
    names = [info.name for info in comparison.metrics]
    if gate.metric not in names:
        raise TempoError(f"--gate {gate.text!r}: {unknown('metric', gate.metric, names)}")
    control = _control(comparison, gate)
    return tuple(
        _outcome(comparison, gate, row, control)
        for row in comparison.trained
        if control is None or row.variant != control.variant
    )


def _control(comparison: Comparison, gate: Gate) -> Row | None:
    if gate.against is None:
        return None
    wanted = comparison.baseline if gate.against == "baseline" else gate.against
    names = [row.variant for row in comparison.rows]
    if wanted not in names:
        raise TempoError(f"--gate {gate.text!r}: {unknown('variant', wanted, names)}")
    return comparison.row(wanted)


def _outcome(comparison: Comparison, gate: Gate, row: Row, control: Row | None) -> Outcome:
    own = row.estimates.get(gate.metric)
    other = control.estimates.get(gate.metric) if control else None
    if own is None or (control and other is None):
        name = row.variant if own is None or control is None else control.variant
        return _failed(row, f"{name} has no {gate.metric}")
    if control and row.protocol_hash != control.protocol_hash:
        return _failed(row, f"judged under another protocol than {control.variant}")
    bound = gate.offset + (other.mean if other else 0.0)
    value = _sure(comparison, gate, row, own, other) if gate.sure else own.mean
    if value is None:
        return _failed(row, f"{gate.metric} has no interval against what it is held to")
    digits = comparison.info(gate.metric).digits + 1
    said = f"{gate.metric} {value:.{digits}f} {gate.op} {bound:.{digits}f}"
    short = "" if own.complete else f" ({own.n} of {own.planned_n} seeds)"
    passed = ORDER[gate.op](value, bound)
    return Outcome(variant=row.variant, passed=passed, sentence=said + short)


def _failed(row: Row, why: str) -> Outcome:
    return Outcome(variant=row.variant, passed=False, sentence=why)


def _sure(
    comparison: Comparison, gate: Gate, row: Row, own: Estimate, other: Estimate | None
) -> float | None:
    """Return the interval's bound on the rule's bad side, of the paired difference if possible.

    Held against another variant than the baseline there is no paired difference: the bound is then
    that of the variant's own mean, which is wider.
    """
    low = gate.op in (">", ">=")
    interval: Interval | Estimate = own
    base = 0.0
    contrast = row.contrasts.get(gate.metric)
    paired = gate.against in ("baseline", comparison.baseline)
    if paired and other and contrast and contrast.difference:
        interval, base = contrast.difference, other.mean
    side = interval.low if low else interval.high
    return None if side is None else base + side
