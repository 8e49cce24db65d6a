"""Say in sentences which rule a study has, when it was fixed, and how it was changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from tempo.core.counted import counted
from tempo.core.verdict_rule import Rule, rule_changes, same_rule
from tempo.records.verdict_log import LookedContrast, RuleEntry, VerdictLog

MOST_NAMED = 8
"""Verdicts that are told in words; the rest are counted."""

_ORDER = ("better", "worse", "equivalent")
"""Words that are told first, in this order."""


def day(time: float) -> str:
    """Return the date of a time of the records, as `2026-11-20` (UTC)."""
    return datetime.fromtimestamp(time, UTC).date().isoformat()


def rule_history(rule: Rule, rules: Sequence[RuleEntry]) -> Iterator[str]:
    """Yield the rule with when it was fixed, then its changes since results exist."""
    if not rules:
        yield f"Rule, of which no record was made before the first result: {rule.sentence}."
        return
    before = [entry for entry in rules if not entry.complete]
    fixed = before[-1] if before else rules[0]
    when = "before any result" if before else _when(fixed)
    since = "" if fixed is rules[-1] else ", and changed since"
    yield f"Rule, fixed on {day(fixed.time)} {when}{since}: {rule.sentence}."
    for old, new in pairwise(rules):
        if new.complete:
            changes = "; ".join(rule_changes(old.rule, new.rule))
            yield f"The rule was changed on {day(new.time)}, {_when(new)}: {changes}."


def rule_ahead(rule: Rule, log: VerdictLog) -> Iterator[str]:
    """Yield the rule of a study that may start: what was recorded, and what starting would change.

    `rule` is the one of the spec as it is now.
    """
    if not log.rules:
        yield f"Rule, which is fixed when the study starts: {rule.sentence}."
        return
    last = log.rules[-1].rule
    yield from rule_history(last, log.rules)
    if not same_rule(last, rule):
        yield (
            "The spec has another rule now, which is recorded as a change when the study starts: "
            f"{'; '.join(rule_changes(last, rule))}."
        )


def _when(entry: RuleEntry) -> str:
    return f"when {entry.complete} of {entry.runs} runs had a result"


def looks_taken(log: VerdictLog) -> str:
    """Return how often the verdicts were looked at and how many seeds they had; empty without."""
    if not log.looks:
        return ""
    counts = [
        sorted({each.seeds for each in look.contrasts}) for look in log.looks if look.contrasts
    ]
    shown = [str(n[0]) if len(n) == 1 else f"{n[0]} to {n[-1]}" for n in counts]
    times = "once" if len(counts) == 1 else f"{len(counts)} times"
    return f"The verdicts were looked at {times}, with {', '.join(shown)} seeds."


def last_words(log: VerdictLog) -> str:
    """Return the verdicts that the last look found, differences first; empty without."""
    if not log.looks or not log.looks[-1].contrasts:
        return ""
    look = log.looks[-1]
    found = sorted(look.contrasts, key=_place)
    several = len({each.metric for each in found}) > 1
    said = "; ".join(_verdict(each, metric=several) for each in found[:MOST_NAMED])
    if len(found) > MOST_NAMED:
        said += f"; and {counted(len(found) - MOST_NAMED, 'more verdict')}"
    baselines = {each.baseline for each in found}
    against = f" against {baselines.pop()}" if len(baselines) == 1 else ""
    on = "" if look.time is None else f"was on {day(look.time)} and "
    return f"The last look {on}found{against}: {said}."


def _place(contrast: LookedContrast) -> int:
    return _ORDER.index(contrast.word) if contrast.word in _ORDER else len(_ORDER)


def _verdict(contrast: LookedContrast, *, metric: bool) -> str:
    return f"{contrast.variant} {contrast.word}" + f" in {contrast.metric}" * metric
