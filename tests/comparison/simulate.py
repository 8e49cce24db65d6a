"""Panels drawn from the model itself."""

import numpy as np

from tempo.comparison.statistics.seed_source_matrix import SeedSourceMatrix, matrix_of


class World:
    """Studies of `variants` x `seeds` on `clips`, with standard deviations of paired differences.

    `effects` are the variants' true means; `spread` multiplies each variant's seed noise.
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
        stream: int = 0,
    ) -> None:
        self.shape = (variants, seeds, clips)
        self.sds = np.array([seed_sd, clip_sd, residual_sd, source_sd]) / np.sqrt(2)
        self.groups = np.arange(clips) * (sources or clips) // clips
        self.effects = np.array(effects or (0.0,) * variants)
        self.spread = np.array(spread or (1.0,) * variants)
        self.rng = np.random.default_rng(stream)
        self.keys = [(f"v{v}", s) for v in range(variants) for s in range(seeds)]
        self.names = [f"g{group}" for group in self.groups]

    def values(self) -> np.ndarray:
        """(variants, seeds, clips)"""
        variants, seeds, clips = self.shape
        seed, clip, residual, source = self.sds
        rng = self.rng
        out = rng.normal(size=self.shape) * residual
        out += self.effects[:, None, None]
        out += rng.normal(size=(variants, seeds, 1)) * seed * self.spread[:, None, None]
        out += rng.normal(size=(1, seeds, 1)) * 0.2
        out += rng.normal(size=(variants, 1, clips)) * clip
        if source:
            groups = rng.normal(size=(variants, 1, self.groups.max() + 1)) * source
            out += groups[:, :, self.groups]
        return out + rng.normal(size=clips) * 3

    def matrix(self) -> SeedSourceMatrix:
        variants, seeds, clips = self.shape
        return matrix_of(self.keys, self.values().reshape(variants * seeds, clips), self.names)
