"""Decide which variants of a study get more seeds, from their contrasts as they stand now.

The decision depends on its arguments alone, so that whoever looks at the same records, after a
stop, beside another invocation or on a cluster, comes to the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from tempo.comparison.statistics.quantities import Contrast, Word
from tempo.core.seed_stages import SeedStages
from tempo.records.seed_log import State, VariantLook

Seeds = Mapping[str, Set[int | None]]
"""Seeds by variant; None is the one run of a method that has nothing random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What follows from a look: the seeds that each variant gets, and how each variant stands.

    `seeds` names the variants that get any, the baseline included; `variants` those with a
    contrast.
    """

    seeds: Mapping[str, tuple[int, ...]]
    variants: Mapping[str, VariantLook]


def next_seeds(
    contrasts: Sequence[Contrast], opened: Seeds, finished: Seeds, stages: SeedStages
) -> Allocation:
    """Return the seeds to add: the next step of every undecided variant, and of its baseline.

    Args:
        contrasts: all contrasts that count, of trained variants; one variant may have several.
        opened: the seeds that were carried out or tried.
        finished: those with a result. A failed seed is not tried again; once the last step of a
            variant brought no pair of finished seeds, the variant is not extended any more.
    """
    added: dict[str, set[int]] = {}
    variants: dict[str, VariantLook] = {}
    for variant, own in _by_variant(contrasts).items():
        pair = (variant, own[0].baseline)
        extended = [name for name in pair if None not in opened.get(name, frozenset())]
        reached = min((len(opened.get(name, ())) for name in extended), default=stages.last)
        state = _state(own)
        if state == "open" and reached >= stages.last:
            state = "spent"
        elif state == "open" and not _pairs(pair, finished, stages.before(reached), reached):
            state = "failed"
        words = tuple(each.verdict.word.value for each in own)
        variants[variant] = VariantLook(state=state, seeds=reached, words=words)
        for name in extended if state == "open" else ():
            wanted = set(range(stages.after(reached))) - opened.get(name, frozenset())
            added.setdefault(name, set()).update(wanted)
    return Allocation(
        seeds={name: tuple(sorted(seeds)) for name, seeds in added.items() if seeds},
        variants=variants,
    )


def _by_variant(contrasts: Iterable[Contrast]) -> dict[str, list[Contrast]]:
    found: dict[str, list[Contrast]] = {}
    for each in contrasts:
        found.setdefault(each.variant, []).append(each)
    return found


def _state(contrasts: Sequence[Contrast]) -> State:
    undecided = [each.verdict for each in contrasts if each.verdict.word is Word.INCONCLUSIVE]
    if any(not verdict.futile for verdict in undecided):
        return "open"
    return "futile" if undecided else "decided"


def _pairs(pair: tuple[str, str], finished: Seeds, low: int, high: int) -> list[int]:
    """Return the seeds from `low` to below `high` that both sides finished.

    A run without a seed pairs with every seed.
    """
    sides = [finished.get(name, frozenset()) for name in pair]
    return [
        seed for seed in range(low, high) if all(seed in side or None in side for side in sides)
    ]


def look_sentence(variants: Mapping[str, VariantLook], stages: SeedStages, runs: int) -> str:
    """Return what a look found, as one sentence; `runs` is how many runs the look opens.

    `Look at 4 of 12 seeds: 1 decided (V3 better), 1 goes on: 2 runs more.`
    """
    parts = []
    for state, (one, many) in PHRASES.items():
        own = {name: each for name, each in variants.items() if each.state == state}
        if not own:
            continue
        words = ", ".join(f"{name} {' and '.join(each.words)}" for name, each in own.items())
        said = f" ({words})" if state == "decided" else ""
        parts.append(f"{len(own)} {one if len(own) == 1 else many}{said}")
    seeds = max((each.seeds for each in variants.values()), default=0)
    more = f": {runs} {'run' if runs == 1 else 'runs'} more" if runs else ""
    return f"Look at {seeds} of {stages.last} seeds: {', '.join(parts)}{more}."


PHRASES: Mapping[State, tuple[str, str]] = {
    "decided": ("decided", "decided"),
    "futile": ("stopped as it cannot become decided", "stopped as they cannot become decided"),
    "failed": ("stopped as its last seeds failed", "stopped as their last seeds failed"),
    "spent": ("undecided with all its seeds", "undecided with all their seeds"),
    "open": ("goes on", "go on"),
}
"""What a look says of one variant and of several, by how they stand."""
