"""Hold one metric of many runs, summed per source: what every estimate is computed from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SeedSourceMatrix:
    """One metric, runs x sources.

    `parts[r, g]` is the sum of run r over the clips of source g, divided by the number of all
    clips, so that a row sums to the run's mean; `weights[g]` is the share of clips in source g.
    Without per-clip values there is one source of weight 1 and `clips` is 0.

    `variant[r]` and `seed[r]` number the names in `variants` and `seeds`. `origin[r]` is the
    folder of the run behind a row: variants that differ in nothing share runs, which count once.
    """

    variants: tuple[str, ...]
    seeds: tuple[int | None, ...]
    variant: Index
    seed: Index
    parts: Array
    weights: Array
    clips: int
    values: Array | None = None
    origin: tuple[str, ...] = ()

    @cached_property
    def means(self) -> Array:
        """(runs,) mean over clips."""
        return np.asarray(self.parts.sum(axis=1))

    @property
    def sources(self) -> int:
        return len(self.weights)

    @property
    def samples_clips(self) -> bool:
        """Whether the clips vary: without that, an interval speaks of these clips only."""
        return self.clips > 1 and self.sources > 1

    @property
    def source_df(self) -> float:
        """Degrees of freedom of the spread between sources."""
        return float(max(self.sources - 1, 1))

    @property
    def effective_sources(self) -> float:
        """The number of sources of equal size that would vary as much in the mean over clips."""
        return float(1 / (self.weights**2).sum())

    @cached_property
    def _rows(self) -> Mapping[tuple[str, int | None], int]:
        pairs = zip(self.variant, self.seed, strict=True)
        return {(self.variants[v], self.seeds[s]): row for row, (v, s) in enumerate(pairs)}

    def row(self, variant: str, seed: int | None) -> int | None:
        return self._rows.get((variant, seed))

    @cached_property
    def _seeds(self) -> Mapping[str, tuple[int | None, ...]]:
        found: dict[str, list[int | None]] = {}
        for name, seed in self._rows:
            found.setdefault(name, []).append(seed)
        return {name: tuple(seeds) for name, seeds in found.items()}

    def seeds_of(self, variant: str) -> tuple[int | None, ...]:
        """Return the seeds that `variant` has; (None,) for a reference."""
        return self._seeds.get(variant, ())

    def common_seeds(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the seeds that every one of `names` has, sorted; references limit nothing."""
        sets = [set(self.seeds_of(name)) for name in names]
        limiting = [each for each in sets if each != {None}]
        common = set.intersection(*limiting) if limiting else set()
        return tuple(sorted(seed for seed in common if seed is not None))

    def unvaried(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return those of `names` whose runs under two seeds or more are the same to the last bit.

        Their seed changes nothing (or a run was copied), so their runs are no replicates: the
        spread between them says nothing about what another seed would give.
        """
        found = []
        values = self.parts if self.values is None else self.values
        for name in names:
            own = values[self._rows_of.get(name, [])]
            if len(own) > 1 and bool((own == own[0]).all()):
                found.append(name)
        return tuple(found)

    def keeping(self, seeds: Collection[int | None], of: Collection[str]) -> SeedSourceMatrix:
        """Return the matrix without the runs of the variants `of` under other seeds than `seeds`.

        Runs of references, which have no seed, stay.
        """
        names = np.array([name in of for name in self.variants])
        wanted = np.array([seed is None or seed in seeds for seed in self.seeds])
        rows = np.flatnonzero(~names[self.variant] | wanted[self.seed])
        return replace(
            self,
            variant=self.variant[rows],
            seed=self.seed[rows],
            parts=self.parts[rows],
            values=None if self.values is None else self.values[rows],
            origin=tuple(self.origin[row] for row in rows) if self.origin else (),
        )

    @cached_property
    def _rows_of(self) -> Mapping[str, Index]:
        order = np.argsort(self.variant, kind="stable")
        ends = np.cumsum(np.bincount(self.variant, minlength=len(self.variants)))
        return dict(zip(self.variants, np.split(order, ends[:-1]), strict=True))

    def rows_of(self, variant: str) -> Index:
        return self._rows_of[variant]

    def rows(self, variant: str, seeds: Sequence[int]) -> list[int]:
        """Return the rows of `variant` under `seeds`; a reference's only run stands in for each."""
        found = [self.row(variant, seed) for seed in seeds]
        if any(row is None for row in found):
            found = [self.row(variant, None)] * len(seeds)
        if any(row is None for row in found):
            raise KeyError(variant)
        return [row for row in found if row is not None]

    def share_runs(self, names: Sequence[str]) -> bool:
        """Return whether all of `names` have the very same runs, so that nothing can differ."""
        if not self.origin:
            return False
        seeds = self.common_seeds(names)
        runs = {tuple(self.origin[row] for row in self.rows(name, seeds)) for name in names}
        return bool(seeds) and len(runs) == 1

    def paired(self, weights: Mapping[str, float], seeds: Sequence[int]) -> Array:
        """Return (seeds, sources): the combination `weights` of variants, seed by seed."""
        total = np.zeros((len(seeds), self.sources))
        for name, weight in weights.items():
            total += weight * self.parts[self.rows(name, seeds)]
        return total


def matrix_of(
    keys: Sequence[tuple[str, int | None]],
    values: Array,
    sources: Sequence[str] | None,
    origin: Sequence[str] = (),
) -> SeedSourceMatrix:
    """Return the matrix of per-clip `values` (runs, clips); without `sources`, of means (runs,).

    Clips of one source only cannot show how sources vary; each clip then is its own source, and
    the interval speaks of clips of that source.

    Raises:
        ValueError: when `sources` is empty: without a clip there is no mean.
    """
    variants = tuple(dict.fromkeys(name for name, _ in keys))
    seeds = tuple(dict.fromkeys(seed for _, seed in keys))
    variant_at = {name: place for place, name in enumerate(variants)}
    seed_at = {seed: place for place, seed in enumerate(seeds)}
    index = np.array([variant_at[name] for name, _ in keys], dtype=np.intp)
    order = np.array([seed_at[seed] for _, seed in keys], dtype=np.intp)
    fixed = variants, seeds, index, order
    if sources is None:
        parts = np.asarray(values, dtype=float).reshape(len(keys), 1)
        return SeedSourceMatrix(*fixed, parts, np.ones(1), 0, None, tuple(origin))
    if not len(sources):
        raise ValueError("no clip is left to take a mean over")
    names, source = np.unique(np.asarray(sources), return_inverse=True)
    if len(names) == 1:
        names, source = np.arange(len(sources)), np.arange(len(sources))
    clips = len(sources)
    spread = np.zeros((clips, len(names)))
    spread[np.arange(clips), source] = 1 / clips
    weights = spread.sum(axis=0)
    return SeedSourceMatrix(*fixed, values @ spread, weights, clips, values, tuple(origin))
