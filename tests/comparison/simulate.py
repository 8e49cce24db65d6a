"""Studies drawn from the model and from conditions that it was not made for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.hypothesis_tests import holm_family, run_test
from tempo.comparison.statistics.quantities import Decision, TestSettings, Word
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import SeedSourceMatrix, matrix_of
from tempo.core.records import MetricInfo
from tempo.core.t_interval import two_sided_quantile

PSNR = MetricInfo(name="psnr", unit="dB", better="higher", digits=2, definition="")
CONTROL = "v0"


class World:
    """Studies of `variants` x `seeds` on `clips`, with standard deviations of paired differences.

    `effects` are the variants' true means; `spread` multiplies each variant's seed noise; `sizes`
    are the numbers of clips of each source, where they differ (then `clips` and `sources` follow).
    `tails`: degrees of freedom of t distributions, of unit variance, that stand for all normal
    ones. `skew`: size of a log-normal difference of every source of variant 1, of mean zero.
    `failed`: the share of runs that are missing.
    """

    def __init__(
        self,
        *,
        variants: int = 2,
        seeds: int = 3,
        clips: int = 200,
        sources: int | None = None,
        seed_sd: float = 0.1,
        clip_sd: float = 0.5,
        residual_sd: float = 0.3,
        source_sd: float = 0.0,
        effects: tuple[float, ...] | None = None,
        spread: tuple[float, ...] | None = None,
        sizes: Sequence[int] | None = None,
        tails: float | None = None,
        skew: float = 0.0,
        failed: float = 0.0,
        stream: int = 0,
    ) -> None:
        clips = clips if sizes is None else sum(sizes)
        self.shape = (variants, seeds, clips)
        self.sds = np.array([seed_sd, clip_sd, residual_sd, source_sd]) / np.sqrt(2)
        self.groups = np.arange(clips) * (sources or clips) // clips
        if sizes is not None:
            self.groups = np.repeat(np.arange(len(sizes)), sizes)
        self.effects = np.array(effects or (0.0,) * variants)
        self.spread = np.array(spread or (1.0,) * variants)
        self.tails, self.skew, self.failed = tails, skew, failed
        self.rng = np.random.default_rng(stream)
        self.keys = [(f"v{v}", s) for v in range(variants) for s in range(seeds)]
        self.names = [f"g{group}" for group in self.groups]

    def _noise(self, shape: tuple[int, ...]) -> np.ndarray:
        if self.tails is None:
            return self.rng.normal(size=shape)
        return self.rng.standard_t(self.tails, size=shape) / np.sqrt(self.tails / (self.tails - 2))

    def values(self) -> np.ndarray:
        """(variants, seeds, clips)"""
        variants, seeds, clips = self.shape
        seed, clip, residual, source = self.sds
        rng, count = self.rng, self.groups.max() + 1
        out = self._noise(self.shape) * residual
        out += self.effects[:, None, None]
        out += self._noise((variants, seeds, 1)) * seed * self.spread[:, None, None]
        out += rng.normal(size=(1, seeds, 1)) * 0.2
        out += self._noise((variants, 1, clips)) * clip
        if source:
            groups = self._noise((variants, 1, count)) * source
            out += groups[:, :, self.groups]
        if self.skew:
            out[1] += self.skew * (rng.lognormal(size=count) - np.exp(0.5))[self.groups]
        return out + rng.normal(size=clips) * 3

    def matrix(self) -> SeedSourceMatrix:
        return self.matrices((self.shape[1],))[0]

    def matrices(self, looks: Sequence[int]) -> list[SeedSourceMatrix]:
        """Return one study at each look: what its first seeds show."""
        variants, seeds, clips = self.shape
        values = self.values().reshape(variants * seeds, clips)
        there = np.ones(len(values), dtype=bool)
        if self.failed:
            there = self.rng.random(len(values)) >= self.failed
        found = []
        for look in looks:
            rows = [r for r, (_, seed) in enumerate(self.keys) if seed < look and there[r]]
            found.append(matrix_of([self.keys[r] for r in rows], values[rows], self.names))
        return found

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(f"v{v}" for v in range(1, self.shape[0]))


@dataclass(frozen=True)
class Rate:
    """A measured share, its standard error over studies, and the studies it is of."""

    share: float
    error: float
    studies: int

    def outside(self, low: float, high: float) -> bool:
        """Whether the share is surely beyond `low` or `high` (one-sided 1 %)."""
        return self.share + 2.326 * self.error < low or self.share - 2.326 * self.error > high


def coverage(world: World, studies: int, only: str | None = None) -> tuple[Rate, float]:
    """Return how often single 95 % intervals of contrasts hold the truth, and their median width.

    `only`: of this variant's contrast alone (all are moderated together nevertheless). A
    contrast counts where it has at least three pairs; contrasts of a study are not independent, so
    that the error is that of the studies' means.
    """
    shares, widths = [], []
    for _ in range(studies):
        model = RandomEffects(world.matrix(), CONTROL)
        hits = []
        for index, name in enumerate(world.others, 1):
            found = _contrast(model, name) if only in (None, name) else None
            if found is None or len(found.seeds) < min(3, world.shape[1]):
                continue
            half = two_sided_quantile(0.95, found.parts.df) * found.parts.se
            hits.append(abs(found.value - world.effects[index] + world.effects[0]) <= half)
            widths.append(half)
        if hits:
            shares.append(np.mean(hits))
    error = float(np.std(shares) / np.sqrt(len(shares)))
    return Rate(float(np.mean(shares)), error, len(shares)), float(np.median(widths))


def _contrast(model: RandomEffects, name: str):  # type: ignore[no-untyped-def]
    if not {name, CONTROL} <= set(model.matrix.variants):
        return None
    return model.contrast({name: 1.0, CONTROL: -1.0})


@dataclass(frozen=True)
class Judged:
    """What the looks at one study came to: each variant's word, and whether its interval missed."""

    words: dict[str, Word]
    missed: dict[str, bool]


def look_at_studies(
    world: World, looks: Sequence[int], studies: int, delta: float | None = None
) -> Iterator[Judged]:
    """Carry studies through all looks as the comparison does; a decision stands once it is made."""
    settings = TestSettings(info=PSNR, delta=delta, level=0.95, power=0.8)
    truth = dict(zip(world.others, world.effects[1:] - world.effects[0], strict=True))
    for _ in range(studies):
        settled: dict[str, Decision] = {}
        for place, matrix in enumerate(world.matrices(looks)):
            now, past = looks[place], tuple(looks[:place])
            model = RandomEffects(matrix, CONTROL)
            tested = {}
            for name in world.others:
                found = _contrast(model, name)
                if found is not None:
                    at = Looks(now=now, planned=looks[-1], past=past)
                    tested[name] = run_test(model, found, settings, looks=at)
            judged = holm_family(tested, settings, settled)
            for name, each in judged.items():
                word, interval = each.verdict.word, each.interval
                if name not in settled and word is not Word.INCONCLUSIVE:
                    settled[name] = Decision(
                        word=word,
                        seeds=now,
                        value=interval.value,
                        low=interval.low,
                        high=interval.high,
                        p_adjusted=each.p_adjusted,
                    )
        last = {name: each.interval for name, each in judged.items()}
        yield Judged(
            {name: each.verdict.word for name, each in judged.items()},
            {n: not i.low <= truth[n] <= i.high for n, i in last.items() if i.low is not None},
        )


def at_most(share: float, hits: int, draws: int) -> bool:
    """Return whether so many hits are compatible with a rate of at most `share` (1 %)."""
    return bool(binom.sf(hits - 1, draws, share) > 0.01)


def at_least(share: float, hits: int, draws: int) -> bool:
    """Return whether so many hits are compatible with a rate of at least `share` (1 %)."""
    return bool(binom.cdf(hits, draws, share) > 0.01)


def zipf(sources: int, clips: int) -> tuple[int, ...]:
    """Return sizes of sources in proportion to 1, 1/2, 1/3 and so on."""
    shares = 1 / np.arange(1, sources + 1)
    return tuple(int(max(1, round(clips * each / shares.sum()))) for each in shares)
