"""Find regular two-level fractions 2^(k-p) and their aliases (Box and Hunter 1961).

An effect is a bit mask over the factors: bit i is set when factor i takes part. A fraction is
given by defining words, effects that are constant over its runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

MAX_FACTORS = 12
"""The most factors that a fraction is sought for; beyond, the search would take too long."""


@dataclass(frozen=True, slots=True)
class Fraction:
    """A regular fraction: `words` is its whole defining relation.

    The first `free` factors vary freely. `generators` gives, for each other factor in order, the
    mask of free factors whose product it follows.
    """

    factors: int
    free: int
    generators: tuple[int, ...]
    words: tuple[int, ...]

    @property
    def resolution(self) -> int | None:
        """Return the length of the shortest word; None for the full factorial."""
        return min((word.bit_count() for word in self.words), default=None)

    def runs(self) -> Iterator[tuple[int, ...]]:
        """Yield the runs as level indexes 0 or 1, the last free factor varying fastest."""
        for number in range(1 << self.free):
            free = [number >> (self.free - 1 - factor) & 1 for factor in range(self.free)]
            mask = sum(level << factor for factor, level in enumerate(free))
            rest = [_product(mask, generator) for generator in self.generators]
            yield (*free, *rest)

    def aliases(self) -> tuple[tuple[int, ...], ...]:
        """Return the groups of aliased main effects and two-factor interactions."""
        singles = [1 << factor for factor in range(self.factors)]
        effects = [*singles, *(a | b for a, b in combinations(singles, 2))]
        groups: dict[int, list[int]] = {}
        for effect in effects:
            key = min((effect, *(effect ^ word for word in self.words)))
            groups.setdefault(key, []).append(effect)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _product(mask: int, generator: int) -> int:
    """Return a generated factor's level: high when its word has the sign that the word fixes.

    With levels -1 and +1 for index 0 and 1, the product over the generator's factors is +1 when
    an even number of them is low.
    """
    low = (generator & ~mask).bit_count()
    return 1 - low % 2


def smallest_fraction(factors: int, resolution: int) -> Fraction:
    """Return the smallest regular fraction of at least `resolution`, or the full factorial.

    Raises:
        ValueError: for more than `MAX_FACTORS` factors.
    """
    if factors > MAX_FACTORS:
        raise ValueError(f"a fractional design has at most {MAX_FACTORS} factors, not {factors}")
    for free in range(1, factors):
        found = _generators(free, factors - free, resolution)
        if found is not None:
            return Fraction(factors, free, tuple(found[0]), tuple(sorted(found[1])))
    return Fraction(factors, factors, (), ())


def _generators(free: int, needed: int, resolution: int) -> tuple[list[int], set[int]] | None:
    """Find generators over `free` factors whose defining relation has no shorter word."""
    pool = [mask for mask in range(1, 1 << free) if mask.bit_count() >= resolution - 1]
    pool.sort(key=lambda mask: (-mask.bit_count(), mask))
    return _extend(pool, 0, [], {0}, free, needed, resolution)


def _extend(
    pool: Sequence[int],
    start: int,
    chosen: list[int],
    group: set[int],
    free: int,
    needed: int,
    resolution: int,
) -> tuple[list[int], set[int]] | None:
    if len(chosen) == needed:
        return chosen, group - {0}
    for index in range(start, len(pool) - (needed - len(chosen)) + 1):
        word = pool[index] | 1 << (free + len(chosen))
        added = {word ^ other for other in group}
        if all(each.bit_count() >= resolution for each in added):
            more = [*chosen, pool[index]]
            found = _extend(pool, index + 1, more, group | added, free, needed, resolution)
            if found is not None:
                return found
    return None
