"""One error rate over several test sets, in studies whose truth is known: simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tempo.comparison.best_rows import best_rows
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.statistics.hypothesis_tests import TestResult, holm_family, run_test
from tempo.comparison.statistics.quantities import TestSettings, Word
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tests.comparison.simulate import PSNR, at_most, zipf

CONTROL = "v0"
CALLED = {Word.BETTER, Word.WORSE}


@dataclass(frozen=True, kw_only=True)
class Sets:
    """Studies of five variants and a control on several sets, each with sizes of its sources.

    Standard deviations in dB, of one run: `seed` of its error that all sets share, `own` of that
    on one set alone; `source` and `clip` of what a variant makes of sources and clips, `residual`
    of each value. `tails`: degrees of freedom of t distributions of unit variance for `seed` and
    `source`. `effects` are the true gains of the variants.
    """

    sizes: Sequence[Sequence[int]]
    seeds: int = 3
    seed: float = 0.1
    own: float = 0.05
    source: float = 0.15
    clip: float = 0.15
    residual: float = 0.1
    tails: float | None = None
    effects: tuple[float, ...] = (0.0,) * 6

    def models(self, rng: np.random.Generator) -> list[RandomEffects]:
        """Return the models of one study, one for each set."""
        runs = (len(self.effects), self.seeds)
        shared = self._drawn(rng, runs) * self.seed
        return [self._model(rng, shared, sizes) for sizes in self.sizes]

    def _drawn(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if self.tails is None:
            return rng.normal(size=shape)
        return rng.standard_t(self.tails, size=shape) / np.sqrt(self.tails / (self.tails - 2))

    def _model(
        self, rng: np.random.Generator, shared: np.ndarray, sizes: Sequence[int]
    ) -> RandomEffects:
        variants, seeds = shared.shape
        group = np.repeat(np.arange(len(sizes)), sizes)
        values = np.array(self.effects)[:, None, None] + shared[:, :, None]
        values = values + (rng.normal(size=shared.shape) * self.own)[:, :, None]
        source = self._drawn(rng, (variants, 1, len(sizes))) * self.source
        values = values + source[:, :, group]
        values = values + rng.normal(size=(variants, 1, len(group))) * self.clip
        values = values + rng.normal(size=(variants, seeds, len(group))) * self.residual
        values = values + rng.normal(size=len(group)) * 3
        keys = [(f"v{v}", s) for v in range(variants) for s in range(seeds)]
        names = [f"g{each}" for each in group]
        return RandomEffects(matrix_of(keys, values.reshape(len(keys), -1), names), CONTROL)


EVEN = ((10,) * 12, (5,) * 8, (4,) * 30, (20,) * 6)
UNEVEN = (zipf(20, 200), (60, *[5] * 12), (3,) * 8, (1,) * 40)
WORLDS = {
    "even": Sets(sizes=EVEN),
    "uneven sources": Sets(sizes=UNEVEN),
    "heavy seed noise": Sets(sizes=UNEVEN, seed=0.5, own=0.2),
    "errors shared by all sets": Sets(sizes=UNEVEN, seed=0.3, own=0.0, source=0.02, clip=0.02),
    "heavy tails, five seeds": Sets(sizes=UNEVEN, seeds=5, tails=3.0, seed=0.2),
    "few sources": Sets(sizes=((40,) * 4, (10,) * 5, (8,) * 4, (2,) * 20), seeds=4),
}
STUDIES = 500


def settings(delta: float | None = None) -> TestSettings:
    return TestSettings(info=PSNR, delta=delta, level=0.95, power=0.8)


def family(models: Sequence[RandomEffects], judged_by: TestSettings) -> dict[Any, Word]:
    """Return the words of all contrasts on all sets, judged as one family."""
    tested: dict[tuple[int, str], TestResult] = {}
    for place, model in enumerate(models):
        for name in model.matrix.variants[1:]:
            found = model.contrast({name: 1.0, CONTROL: -1.0})
            assert found is not None
            tested[place, name] = run_test(model, found, judged_by)
    return {key: each.verdict.word for key, each in holm_family(tested, judged_by).items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_no_false_word_on_four_sets_by_five_variants(name: str) -> None:
    rng = np.random.default_rng((21, len(name)))
    wrong = 0
    for _ in range(STUDIES):
        words = family(WORLDS[name].models(rng), settings())
        assert len(words) == 20
        wrong += bool(CALLED & set(words.values()))
    assert at_most(0.05, wrong, STUDIES)


@pytest.mark.slow
def test_no_false_equivalence_at_the_edge() -> None:
    """Every variant differs by delta: none is equivalent."""
    world = Sets(sizes=UNEVEN, effects=(0.0, *[0.2] * 5), seed=0.05, source=0.05, clip=0.05)
    rng = np.random.default_rng(22)
    drawn = [set(family(world.models(rng), settings(0.2)).values()) for _ in range(STUDIES)]
    assert at_most(0.05, sum(Word.EQUIVALENT in each for each in drawn), STUDIES)


def test_a_family_of_its_own_for_each_set_would_err_more() -> None:
    """The simulation can fail: judged set by set, the same studies have more false words."""
    rng = np.random.default_rng(23)
    world = WORLDS["even"]
    apart = together = 0
    for _ in range(150):
        models = world.models(rng)
        apart += any(CALLED & set(family([model], settings(None)).values()) for model in models)
        together += bool(CALLED & set(family(models, settings(None)).values()))
    assert apart > together


class Study(FittedStudy):
    """A study that is its model alone."""

    @classmethod
    def of(cls, model: RandomEffects) -> FittedStudy:
        query = SimpleNamespace(delta_of=lambda *_, **__: None, coverage=0.95, power=0.8)
        sample = cast(Any, SimpleNamespace(query=query, done=lambda name: [name]))
        hashes = dict.fromkeys(model.matrix.variants)
        return cls(sample, CONTROL, (PSNR,), (), None, {"psnr": model}, hashes)

    def mean(self, variant: str | None, metric: str) -> float | None:
        matrix = self.models[metric].matrix
        return float(matrix.means[matrix.rows_of(str(variant))].mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["uneven sources", "heavy seed noise", "errors shared by all sets"]
)
@pytest.mark.parametrize(
    "effects", [(0.0,) * 6, (0.0, 0.0, 0.0, -9.0, -9.0, -9.0)], ids=["six tied", "three tied"]
)
def test_a_row_as_good_as_the_best_is_rarely_called_worse(
    name: str, effects: tuple[float, ...]
) -> None:
    world, rng = WORLDS[name], np.random.default_rng((24, len(name), len(effects)))
    one = Sets(sizes=UNEVEN[:1], seed=world.seed, own=world.own, source=world.source,
               clip=world.clip, effects=effects)  # fmt: skip
    unmarked = 0
    for _ in range(STUDIES):
        (found,) = best_rows(Study.of(one.models(rng)[0]))
        unmarked += "v1" in found.worse
    assert at_most(0.05, unmarked, STUDIES)
