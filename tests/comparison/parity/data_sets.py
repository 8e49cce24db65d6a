"""Draw the data sets on which Tempo is compared with R, write them, and read them back.

    python tests/comparison/parity/data_sets.py             writes data_sets/*.csv
    Rscript tests/comparison/parity/make_table.R            fits them in R and writes table.json

A file has one row per run (variant, seed) and one column per clip, named source/clip. The numbers
are rounded to four decimals, as dB, so R and Tempo read the very same ones. Each data set draws
from a generator seeded by its name, from standard normals alone.
"""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tempo.comparison.statistics.seed_source_matrix import SeedSourceMatrix, matrix_of

FOLDER = Path(__file__).parent / "data_sets"


@dataclass(frozen=True)
class Recipe:
    """How a data set is drawn: standard deviations in dB, of each run's own noise unless said.

    `sizes` are the clips of each source. `spread` multiplies the seed noise of each variant. `tail`
    is the degrees of freedom of Student's t for every noise, 0 for normal; `skew` makes the clip
    effects log-normal. `missing` are runs that failed.
    """

    name: str
    variants: int
    seeds: int
    sizes: tuple[int, ...]
    seed_sd: float = 0.1
    clip_sd: float = 0.4
    residual_sd: float = 0.2
    source_sd: float = 0.0
    spread: tuple[float, ...] = ()
    tail: int = 0
    skew: bool = False
    missing: tuple[tuple[int, int], ...] = ()


def _ones(clips: int) -> tuple[int, ...]:
    return (1,) * clips


# Seeds, clips, and the standard deviations of seed, clip and residual of balanced pairs.
_SHAPES = (
    (3, 8, 0.15, 0.3, 0.2),
    (3, 12, 0.1, 0.5, 0.3),
    (3, 20, 0.3, 0.2, 0.2),
    (3, 40, 0.1, 0.5, 0.3),
    (4, 10, 0.2, 0.4, 0.2),
    (4, 16, 0.1, 0.6, 0.3),
    (4, 30, 0.3, 0.3, 0.3),
    (5, 8, 0.2, 0.2, 0.1),
    (5, 15, 0.1, 0.5, 0.2),
    (5, 25, 0.1, 0.3, 0.3),
    (5, 40, 0.3, 0.5, 0.3),
    (6, 12, 0.2, 0.5, 0.3),
    (6, 20, 0.1, 0.3, 0.2),
    (7, 9, 0.3, 0.3, 0.2),
    (7, 24, 0.1, 0.4, 0.3),
    (8, 16, 0.2, 0.3, 0.3),
    (8, 32, 0.1, 0.5, 0.3),
    (9, 11, 0.2, 0.4, 0.2),
    (9, 20, 0.1, 0.2, 0.2),
    (10, 8, 0.3, 0.5, 0.3),
    (10, 18, 0.1, 0.4, 0.2),
    (10, 40, 0.1, 0.5, 0.3),
)
# Seeds, sources, clips a source of balanced pairs whose clips come in groups.
_GROUPS = (
    (3, 4, 5),
    (3, 12, 3),
    (4, 8, 5),
    (5, 5, 8),
    (5, 10, 4),
    (6, 20, 2),
    (8, 6, 3),
    (10, 9, 2),
)

RECIPES = (
    *(
        Recipe(f"pair_{seeds}_seeds_{clips}_clips", 2, seeds, _ones(clips), *sds)
        for seeds, clips, *sds in _SHAPES
    ),
    Recipe("pair_tails_t5", 2, 4, _ones(20), 0.15, tail=5),
    Recipe("pair_tails_t3", 2, 6, _ones(24), 0.15, tail=3),
    Recipe("pair_skewed_clips", 2, 5, _ones(20), 0.15, skew=True),
    Recipe("pair_noisy_baseline", 2, 5, _ones(20), 0.15, spread=(3.0, 1.0)),
    Recipe("pair_residual_only_3_seeds", 2, 3, _ones(10), 0.0, 0.02, 0.4),
    Recipe("pair_residual_only_6_seeds", 2, 6, _ones(16), 0.0, 0.02, 0.4),
    *(
        Recipe(
            f"groups_{seeds}_seeds_{sources}_sources_of_{size}",
            2,
            seeds,
            (size,) * sources,
            0.2,
            source_sd=0.3,
        )
        for seeds, sources, size in _GROUPS
    ),
    Recipe("many_3_variants", 3, 4, _ones(20), 0.2),
    Recipe("many_4_variants", 4, 5, _ones(16), 0.15),
    Recipe("many_5_variants", 5, 3, _ones(24), 0.15),
    Recipe("many_6_variants", 6, 3, _ones(16), 0.2),
    Recipe("many_3_variants_10_seeds", 3, 10, _ones(12), 0.15),
    Recipe("many_noisy_baseline", 4, 4, _ones(20), 0.15, spread=(3.0, 1.0, 1.0, 1.0)),
    Recipe("many_one_noisy", 4, 4, _ones(20), 0.15, spread=(1.0, 1.0, 1.0, 3.0)),
    Recipe("many_tails_t5", 4, 5, _ones(14), 0.2, tail=5),
    Recipe("many_groups", 3, 5, (4,) * 6, 0.2, source_sd=0.3),
    Recipe("missing_pair_one_run", 2, 5, _ones(16), 0.2, missing=((1, 3),)),
    Recipe("missing_pair_two_seeds", 2, 7, _ones(12), 0.2, missing=((0, 1), (1, 5))),
    Recipe("missing_3_variants", 3, 5, _ones(16), 0.2, missing=((1, 0), (2, 4))),
    Recipe("missing_4_variants", 4, 6, _ones(12), 0.2, missing=((0, 2), (1, 4), (3, 0))),
    Recipe("unequal_mild", 2, 5, (4, 6, 8, 5, 7, 3), source_sd=0.3),
    Recipe("unequal_one_half", 2, 5, (20, 3, 3, 3, 3, 3, 3, 2), source_sd=0.3),
    Recipe("unequal_dominant", 2, 4, (30, 3, 3, 2, 2), source_sd=0.3),
    Recipe("unequal_single_clips", 2, 5, (16, *_ones(12)), source_sd=0.3),
    Recipe("unequal_zipf", 2, 6, (14, 7, 5, 4, 3, 2, 2, 1, 1, 1), source_sd=0.3),
    Recipe("unequal_zipf_3_variants", 3, 4, (12, 6, 4, 3, 2, 2, 2, 1), source_sd=0.3),
    Recipe("unequal_no_source_noise", 2, 4, (12, 6, 4, 3, 3, 2), clip_sd=0.6, source_sd=0.0),
)


def draw(recipe: Recipe) -> tuple[list[tuple[str, int]], list[str], np.ndarray]:
    """Return the runs, the sources of the clips, and the values (runs, clips)."""
    rng = np.random.default_rng(zlib.crc32(recipe.name.encode()))

    def noise(*shape: int) -> np.ndarray:
        normal = rng.standard_normal(shape)
        if not recipe.tail:
            return normal
        chi = (rng.standard_normal((recipe.tail, *shape)) ** 2).sum(axis=0) / recipe.tail
        return normal / np.sqrt(chi)

    variants, seeds, clips = recipe.variants, recipe.seeds, sum(recipe.sizes)
    group = np.repeat(np.arange(len(recipe.sizes)), recipe.sizes)
    clip = noise(variants, 1, clips)
    if recipe.skew:
        clip = np.exp(clip)
    spread = np.array(recipe.spread or (1.0,) * variants)
    values = 30 + 0.2 * np.arange(variants)[:, None, None] + np.zeros((variants, seeds, clips))
    values += 2 * noise(1, 1, len(recipe.sizes))[..., group] + noise(1, 1, clips)
    values += 0.2 * noise(1, seeds, 1) + 0.15 * noise(1, seeds, clips)
    values += recipe.seed_sd * spread[:, None, None] * noise(variants, seeds, 1)
    values += recipe.source_sd * noise(variants, 1, len(recipe.sizes))[..., group]
    values += recipe.clip_sd * clip + recipe.residual_sd * noise(variants, seeds, clips)
    if recipe.source_sd:
        values += 0.15 * noise(variants, seeds, len(recipe.sizes))[..., group]
    there = [(v, s) for v in range(variants) for s in range(seeds) if (v, s) not in recipe.missing]
    runs = [(f"v{v}", s) for v, s in there]
    return runs, [f"g{each}" for each in group], np.array([values[v, s] for v, s in there])


def text(recipe: Recipe) -> str:
    """Return the file of a data set."""
    runs, sources, values = draw(recipe)
    lines = [",".join(["variant", "seed", *(f"{g}/c{n}" for n, g in enumerate(sources))])]
    lines += [
        ",".join([variant, str(seed), *(f"{each:.4f}" for each in row)])
        for (variant, seed), row in zip(runs, values, strict=True)
    ]
    return "\n".join(lines) + "\n"


def read(name: str) -> SeedSourceMatrix:
    """Return the matrix of a data set from its file."""
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    keys = [(row[0], int(row[1])) for row in rows]
    values = np.array([[float(each) for each in row[2:]] for row in rows])
    return matrix_of(keys, values, [column.split("/")[0] for column in head[2:]])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in RECIPES:
        (FOLDER / f"{one.name}.csv").write_text(text(one), newline="\n")
