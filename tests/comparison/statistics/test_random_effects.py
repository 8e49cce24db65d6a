"""The crossed model: laws, then the analysis of variance and statsmodels' REML."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tests.comparison.simulate import World

PAIR = {"v1": 1.0, "v0": -1.0}


def long_table(paired: np.ndarray) -> pd.DataFrame:
    index = np.indices(paired.shape).reshape(2, -1)
    return pd.DataFrame({"d": paired.ravel(), "seed": index[0], "source": index[1], "one": 1})


def test_the_value_is_the_mean_difference() -> None:
    world = World(variants=3, seeds=4, clips=30)
    values = world.values()
    matrix = matrix_of(world.keys, values.reshape(12, 30), world.names)
    found = RandomEffects(matrix).contrast(PAIR)
    assert found.value == pytest.approx(values[1].mean() - values[0].mean())
    assert found.per_seed == pytest.approx(values[1].mean(1) - values[0].mean(1))


def test_swapping_the_sides_changes_the_sign_alone() -> None:
    model = RandomEffects(World(variants=3, seeds=4, clips=30, sources=6).matrix())
    there, back = model.contrast({"v1": 1.0, "v0": -1.0}), model.contrast({"v0": 1.0, "v1": -1.0})
    assert back.value == pytest.approx(-there.value)
    assert back.parts.variance == pytest.approx(there.parts.variance)
    assert back.parts.df == pytest.approx(there.parts.df)


def test_what_seeds_and_clips_share_does_not_count() -> None:
    world = World(variants=2, seeds=3, clips=40)
    values = world.values()
    shifted = values + np.arange(3)[None, :, None] * 5 + np.arange(40)[None, None, :]
    parts = [
        RandomEffects(matrix_of(world.keys, each.reshape(6, 40), world.names)).contrast(PAIR)
        for each in (values, shifted)
    ]
    assert parts[0].value == pytest.approx(parts[1].value)
    assert parts[0].parts.variance == pytest.approx(parts[1].parts.variance)


def test_two_variants_give_the_two_way_analysis_of_variance() -> None:
    world = World(seeds=5, clips=40, seed_sd=0.4)
    found = RandomEffects(world.matrix()).contrast(PAIR)
    table = long_table(found.paired * 40)
    squares = anova_lm(smf.ols("d ~ C(seed) + C(source)", table).fit())["mean_sq"]
    cells = 5 * 40
    assert found.parts.seed == pytest.approx(squares["C(seed)"] / cells)
    assert found.parts.source == pytest.approx(squares["C(source)"] / cells)
    assert found.parts.both == pytest.approx(squares["Residual"] / cells)
    assert found.parts.source_df == pytest.approx(39)


def test_reml_of_statsmodels_agrees_on_balanced_data() -> None:
    world = World(seeds=6, clips=15, seed_sd=0.5, residual_sd=0.4, stream=3)
    found = RandomEffects(world.matrix()).contrast(PAIR)
    table = long_table(found.paired * 15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.mixedlm(
            "d ~ 1", table, groups="one", vc_formula={"s": "0 + C(seed)", "g": "0 + C(source)"}
        ).fit(reml=True)
    assert fit.params["Intercept"] == pytest.approx(found.value, rel=1e-4)
    assert fit.bse["Intercept"] == pytest.approx(found.parts.se, rel=2e-2)
    components = dict(zip(fit.model.exog_vc.names, fit.vcomp, strict=True))
    assert components["s"] == pytest.approx(found.components.seed**2, rel=5e-2)
    assert components["g"] == pytest.approx(found.components.clip**2, rel=5e-2)
    assert fit.scale == pytest.approx(found.components.residual**2, rel=5e-2)


def test_components_are_recovered() -> None:
    world = World(
        variants=2, seeds=8, clips=120, sources=12, seed_sd=0.2, source_sd=0.3, clip_sd=0.5
    )
    squares = []
    for _ in range(150):
        found = RandomEffects(world.matrix()).contrast(PAIR).components
        squares.append([found.seed**2, found.source**2, found.clip**2, found.residual**2])
    seed, source, clip, residual = np.sqrt(np.mean(squares, axis=0))
    assert seed == pytest.approx(0.2, rel=0.1)
    assert source == pytest.approx(0.3, rel=0.1)
    # A clip's own spread holds what its residuals leave after averaging over seeds.
    assert clip == pytest.approx(np.sqrt(0.5**2 + 0.3**2 / 8), rel=0.05)
    assert residual == pytest.approx(0.3, rel=0.05)


def both_models(world: World) -> tuple[RandomEffects, RandomEffects]:
    """Return the models of one draw: of all variants, and of the first two alone."""
    _, seeds, clips = world.shape
    values = world.values().reshape(-1, clips)
    pair = slice(0, 2 * seeds)
    return (
        RandomEffects(matrix_of(world.keys, values, world.names), "v0"),
        RandomEffects(matrix_of(world.keys[pair], values[pair], world.names), "v0"),
    )


def test_alike_variants_moderate_each_others_seed_variance() -> None:
    both = both_models(World(variants=6, seeds=3, stream=1))
    found, alone = (model.contrast(PAIR) for model in both)
    assert alone.components.prior_df == 0
    assert alone.parts.seed_df == 2
    assert 0 < found.components.prior_df <= 4
    assert found.parts.seed_df > 2
    assert "moderated by that of 4 other contrasts with v0" in found.components.test


def test_a_noisy_variant_keeps_its_own_seed_variance() -> None:
    world = World(variants=6, seeds=5, spread=(1, 30, 1, 1, 1, 1), stream=1)
    found, own = (model.contrast(PAIR) for model in both_models(world))
    assert found.components.prior_df < 0.1
    assert found.parts.seed == pytest.approx(own.parts.seed, rel=0.02)


def test_a_noisy_control_is_in_every_contrast() -> None:
    world = World(variants=6, seeds=5, spread=(30, 1, 1, 1, 1, 1), stream=1)
    found, own = (model.contrast(PAIR) for model in both_models(world))
    assert found.parts.seed == pytest.approx(own.parts.seed, rel=0.1)
    # However many contrasts there are, they have one control, with four degrees of freedom.
    assert found.parts.seed_df == pytest.approx(4, abs=0.5)


def test_missing_runs_leave_the_common_seeds() -> None:
    world = World(variants=3, seeds=4, clips=30)
    values = world.values().reshape(12, 30)
    keep = [row for row, key in enumerate(world.keys) if key not in {("v1", 0), ("v0", 3)}]
    matrix = matrix_of([world.keys[row] for row in keep], values[keep], world.names)
    found = RandomEffects(matrix).contrast(PAIR)
    assert found.seeds == (1, 2)
    assert RandomEffects(matrix).pooled_seed[1] == 10 - (3 + 4 - 1)


HERE_AND_THERE = {("v1", 0), ("v0", 3), ("v4", 1)}
APART = {(f"v{v}", seed) for v in range(5) for seed in range(4) if (v < 2) != (seed < 2)}


@pytest.mark.parametrize("missing", [HERE_AND_THERE, APART], ids=["some runs", "blocks apart"])
def test_what_variants_and_seeds_leave_is_ordinary_least_squares(
    missing: set[tuple[str, int]],
) -> None:
    world = World(variants=5, seeds=4, clips=30)
    keep = [row for row, key in enumerate(world.keys) if key not in missing]
    keys, values = [world.keys[row] for row in keep], world.values().reshape(20, 30)[keep]
    table = pd.DataFrame(keys, columns=["variant", "seed"]).astype(str)
    design, means = pd.get_dummies(table, dtype=float).to_numpy(), values.mean(axis=1)
    left = means - design @ np.linalg.pinv(design) @ means
    df = len(keys) - np.linalg.matrix_rank(design)
    found = RandomEffects(matrix_of(keys, values, world.names)).pooled_seed
    assert found == (pytest.approx((left**2).sum() / df, rel=1e-9), df)


def test_no_common_seed_is_no_contrast() -> None:
    matrix = matrix_of([("v0", 0), ("v1", 1)], np.zeros((2, 4)), ["a", "b", "c", "d"])
    assert RandomEffects(matrix).contrast(PAIR) is None


def test_a_reference_stands_in_for_every_seed() -> None:
    world = World(variants=1, seeds=4, clips=20)
    values = np.vstack([world.values()[0], np.arange(20.0)])
    keys = [("v0", 0), ("v0", 1), ("v0", 2), ("v0", 3), ("average", None)]
    found = RandomEffects(matrix_of(keys, values, world.names)).contrast(
        {"v0": 1.0, "average": -1.0}
    )
    assert found.seeds == (0, 1, 2, 3)
    assert found.value == pytest.approx(values[:4].mean() - np.arange(20.0).mean())
    assert found.components.prior_df == 0


def test_clips_of_one_source_stand_for_themselves() -> None:
    matrix = matrix_of([("v0", 0)], np.ones((1, 7)), ["only"] * 7)
    assert matrix.sources == 7


def test_run_means_alone_speak_of_these_clips() -> None:
    matrix = matrix_of([(f"v{v}", s) for v in range(2) for s in range(3)], np.arange(6.0), None)
    found = RandomEffects(matrix).contrast(PAIR)
    assert found.parts.source == 0
    assert not matrix.samples_clips
