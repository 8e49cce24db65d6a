"""Say which rule the verdicts follow, when it was fixed, and how often it was looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tempo.comparison.contrasts import Judged
from tempo.comparison.looks import Key
from tempo.comparison.registered_rule import RuleCheck
from tempo.comparison.sections.sentence_openings import EXPLORATORY
from tempo.core.verdict_rule import share
from tempo.records.rule_sentences import day, rule_history
from tempo.records.verdict_log import Look, LookedContrast


def rule_lines(check: RuleCheck, judged: Judged) -> Iterator[str]:
    """Yield the sentences of the first screen about the rule and the looks at its contrasts."""
    registered = check.registered
    if check.reasons:
        yield f"{EXPLORATORY}{'; '.join(check.reasons)}."
    if registered.unfixed:
        return
    yield from rule_history(registered.rule, registered.log.rules)
    if judged.look is not None:
        yield from _looks(judged, judged.look)
        yield from _later_seeds(judged)
        yield from _other_plans(judged)


def _looks(judged: Judged, now: Look) -> Iterator[str]:
    """Say how many seeds there were at each look, where there was more than this one."""
    earlier = {found.look.data: found.look for each in judged.earlier.values() for found in each}
    if not earlier:
        return
    shown = (*sorted(earlier.values(), key=lambda look: look.time or 0.0), now)
    counts = [_seeds(look.contrasts) for look in shown]
    planned = max(each.planned for each in now.contrasts)
    yield (
        f"Looked at {len(shown)} times ({', '.join(counts)} of {planned} seeds){_level(judged)}."
    )


def _seeds(contrasts: Sequence[LookedContrast]) -> str:
    counts = sorted({each.seeds for each in contrasts})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _level(judged: Judged) -> str:
    """Return the level that is left for the contrasts that no earlier look has settled."""
    left = list(dict.fromkeys(share(each) for each in sorted(judged.levels.values()) if each))
    return (
        f": judged at the level that is left, {' to '.join(left[:1] + left[1:][-1:])}"
        if left
        else ""
    )


def _later_seeds(judged: Judged) -> Iterator[str]:
    """Say that seeds came after the whole error rate was spent."""
    for key, earlier in judged.earlier.items():
        ended = [each for each in earlier if each.contrast.ended]
        if not ended or ended[0].look.time is None:
            continue
        first = ended[0].contrast.seeds
        later = _now(judged, key) - first
        if later > 0:
            plural = "seed" if later == 1 else "seeds"
            yield (
                f"{first} seeds were planned and judged on {day(ended[0].look.time)}, which spent "
                f"the whole error rate; {later} {plural} came later: what they add is "
                "exploratory, and the words stay those of the planned look."
            )
            return


def _now(judged: Judged, key: Key) -> int:
    """Return how many seeds a contrast of the rule has now."""
    return next(len(each.seeds) for each in judged.contrasts if (each.variant, each.metric) == key)


def _other_plans(judged: Judged) -> Iterator[str]:
    """Say where seeds that were seen are left out, or their number was changed after a look."""
    for key, earlier in judged.earlier.items():
        for found in earlier:
            seen, now = found.contrast.seeds, _now(judged, key)
            if seen > now and found.look.time is not None:
                yield (
                    f"{key[0]} was looked at with {seen} seeds on {day(found.look.time)}, and "
                    f"{now} are shown now: seeds that were seen cannot be left out of a verdict."
                )
                return
    planned = {(each.variant, each.metric): each.planned_n for each in judged.contrasts}
    for key, earlier in judged.earlier.items():
        first = earlier[0] if earlier else None
        if first and not first.contrast.ended and first.contrast.planned != planned[key]:
            yield (
                f"{first.contrast.planned} seeds were planned at the first look, and "
                f"{planned[key]} are now: the verdicts go by the {first.contrast.planned}."
            )
            return
