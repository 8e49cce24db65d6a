"""Check a rule that every variant must keep (`--gate`), for continuous integration of models.

`psnr >= baseline - 0.05`, `ssim > 0.93`, `psnr >= "V3 light"`. `sure(psnr) >= baseline - 0.05`
asks that the bound of an interval keeps the rule, not only the mean: the interval of the paired
difference from that variant, or of the own mean against a number. It covers the draw of seeds and
of clips, and holds for all variants that are checked together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.query import ORDER
from tempo.comparison.statistics.power import MIN_SEEDS
from tempo.comparison.statistics.quantities import Estimate, Interval
from tempo.core.catalog import unknown
from tempo.core.errors import TempoError

ROUNDING = 1e-12
"""Means of the same values may differ by so much of themselves, by the order of summation."""
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


def control_of(comparison: Comparison, gate: Gate) -> str | None:
    """Return the baseline that the comparison must have for `gate`, None where it will do.

    To be sure against a variant takes its paired contrasts, and these are with the baseline only.
    """
    if not gate.sure or gate.against in (None, "baseline", comparison.baseline):
        return None
    control = _control(comparison, gate)
    return control.variant if control else None


def check(comparison: Comparison, gate: Gate) -> tuple[Outcome, ...]:
    """Check every trained variant but the one it is held against. What is missing does not pass.

    Raises:
        TempoError: when the metric is no column of the table, the variant is none of it, or a
            `sure` rule is against another variant than the baseline (see `control_of`).
    """
    names = [info.name for info in comparison.metrics]
    if gate.metric not in names:
        raise TempoError(f"--gate {gate.text!r}: {unknown('metric', gate.metric, names)}")
    control = _control(comparison, gate)
    if control_of(comparison, gate) is not None:
        raise TempoError(
            f"--gate {gate.text!r}: this comparison holds contrasts with {comparison.baseline!r} "
            f"only; to be sure takes a comparison with the baseline {gate.against!r}"
        )
    rows = [row for row in comparison.trained if control is None or row.variant != control.variant]
    if not gate.sure:
        return tuple(_by_mean(comparison, gate, row, control) for row in rows)
    found = {row.variant: _margin(gate, row, control) for row in rows}
    count = sum(isinstance(each, Interval) for each in found.values())
    return tuple(
        _failed(row, each)
        if isinstance(each := found[row.variant], str)
        else _by_bound(comparison, gate, row, control, each, count)
        for row in rows
    )


def _control(comparison: Comparison, gate: Gate) -> Row | None:
    if gate.against is None:
        return None
    wanted = comparison.baseline if gate.against == "baseline" else gate.against
    names = [row.variant for row in comparison.rows]
    if wanted not in names:
        raise TempoError(f"--gate {gate.text!r}: {unknown('variant', wanted, names)}")
    return comparison.row(wanted)


def _missing(gate: Gate, row: Row, control: Row | None) -> str:
    """Return what makes the two sides impossible to compare, empty when nothing does."""
    for each in (row, control):
        if each is not None and gate.metric not in each.estimates:
            return f"{each.variant} has no {gate.metric}"
    if control and row.protocol_hash != control.protocol_hash:
        return f"judged under another protocol than {control.variant}"
    return ""


def _by_mean(comparison: Comparison, gate: Gate, row: Row, control: Row | None) -> Outcome:
    missing = _missing(gate, row, control)
    if missing:
        return _failed(row, missing)
    own = row.estimates[gate.metric]
    bound = gate.offset + (control.estimates[gate.metric].mean if control else 0.0)
    digits = comparison.info(gate.metric).digits + 1
    said = f"{gate.metric} {own.mean:.{digits}f} {gate.op} {bound:.{digits}f}"
    passed = ORDER[gate.op](own.mean, bound)
    return Outcome(variant=row.variant, passed=passed, sentence=said + _short(own))


def _short(own: Estimate) -> str:
    return "" if own.complete else f" ({own.n} of {own.planned_n} seeds)"


def _failed(row: Row, why: str) -> Outcome:
    return Outcome(variant=row.variant, passed=False, sentence=why)


def _margin(gate: Gate, row: Row, control: Row | None) -> Interval | str:
    """Return what the rule bounds, with its interval, or why there is none.

    Against a variant that is the paired difference, against a number the variant's own mean: both
    cover the draw of seeds and of clips.
    """
    missing = _missing(gate, row, control)
    if missing:
        return missing
    metric = gate.metric
    if control is None:
        interval, seeds = row.means.get(metric), row.estimates[metric].n
        why = "no interval covers the draw of seeds and clips"
    else:
        contrast = row.contrasts[metric]
        interval, seeds = contrast.difference, len(contrast.seeds)
        why = contrast.verdict.reason
    alike = [each.variant for each in (row, control) if each and _unvaried(each, metric)]
    if alike:
        return f"every seed of {' and of '.join(alike)} gives the very same {metric}: not sure"
    if interval is None:
        return why
    if seeds < MIN_SEEDS or interval.se is None or interval.df is None:
        counted = f"{seeds} {'seed' if seeds == 1 else 'seeds'}"
        return f"{counted} cannot make {metric} sure; at least {MIN_SEEDS} can"
    return interval


def _unvaried(row: Row, metric: str) -> bool:
    """Return whether the seed changes nothing, so that seeds are no replicates."""
    values = row.estimates[metric].values
    return len(values) > 1 and max(values) - min(values) <= ROUNDING * max(map(abs, values))


def _by_bound(
    comparison: Comparison, gate: Gate, row: Row, control: Row | None, found: Interval, count: int
) -> Outcome:
    """Hold the bound on the rule's bad side to the rule; intervals hold for all `count` together.

    Bonferroni: with one interval each, the more variants are checked the likelier some passes that
    should not. A contrast that several looks made wider stays so.
    """
    assert found.se is not None and found.df is not None
    level = max(1 - (1 - comparison.level) / count, found.single_level or 0.0)
    wide = Interval.of_t(found.value, found.se, found.df, level=level, method=found.method)
    low = gate.op in (">", ">=")
    side = wide.low if low else wide.high
    digits, sign = comparison.info(gate.metric).digits + 1, "+" if control else ""
    value, bound, limit = (f"{x:{sign}.{digits}f}" for x in (found.value, side, gate.offset))
    what = f"{gate.metric} minus that of {control.variant}" if control else gate.metric
    together = f", wide enough for all {count} variants together" if count > 1 else ""
    said = (
        f"{what} is {value}, surely at {'least' if low else 'most'} {bound}, to be {gate.op} "
        f"{limit} ({100 * level:.4g} % interval{together})"
    )
    passed = side is not None and ORDER[gate.op](side, gate.offset)
    return Outcome(
        variant=row.variant, passed=passed, sentence=said + _short(row.estimates[gate.metric])
    )
