"""Estimate how much each factor of a search explains, beside what noise alone would reach.

fANOVA (Hutter et al. 2014) fits a forest to the objective and asks how much of the variance of its
prediction each factor explains alone. PED-ANOVA (Watanabe et al. 2023) asks the same of belonging
to the best trials. Both give every factor a share, also where nothing matters: a forest fits noise.
So each share stands beside the level that shares reach under permuted objective values. The
interval is a percentile bootstrap over the trials; as a share is never negative, it always
excludes 0.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import optuna
from optuna import importance
from optuna.trial import FrozenTrial, TrialState, create_trial

from tempo.core.seeding import stream
from tempo.records.search_record import Importance, ObjectiveInfo

Array = npt.NDArray[np.float64]
Evaluator = Literal["fanova", "ped_anova"]

MIN_TRIALS = 8
"""Complete trials below which a share means nothing."""

RESAMPLES = 40
PERMUTATIONS = 39
"""With 39 permutations the second largest share is a level that noise exceeds one time in 20."""

NOISE_LEVEL = 0.95
TREES = 64
TREES_AGAIN = 12
"""Of forests on resampled and permuted trials. A share is a mean over trees, so that fewer trees
move it without bias, and the level of noise comes out a little high rather than low."""

BEST_COUNT, BEST_LEAST, BEST_MOST = 5, 0.1, 0.25
"""PED-ANOVA needs about five best trials: of 20 trials with one factor that matters the best 10 %
find it in 17 % of simulated searches, the best 25 % in 57 %."""


def importances(
    trials: Sequence[FrozenTrial], objectives: Sequence[ObjectiveInfo], *, seed: int
) -> tuple[Importance, ...]:
    """Return each factor's share by evaluator and objective; none with too few complete trials."""
    if len(trials) < MIN_TRIALS:
        return ()
    out: list[Importance] = []
    for index, objective in enumerate(objectives):
        values = np.array([trial.values[index] for trial in trials])
        evaluators: tuple[Evaluator, ...] = ("fanova", "ped_anova")
        for evaluator in evaluators:
            out += _shares(trials, values, objective, evaluator, seed)
    return tuple(out)


def _shares(
    trials: Sequence[FrozenTrial],
    values: Array,
    objective: ObjectiveInfo,
    evaluator: Evaluator,
    seed: int,
) -> list[Importance]:
    def evaluate(picked: Sequence[int], values: Array, trees: int) -> dict[str, float]:
        study = _study([trials[i] for i in picked], values, objective)
        return {} if study is None else _evaluate(study, evaluator, trees, seed)

    everything = range(len(trials))
    whole = evaluate(everything, values, TREES)
    rng = np.random.default_rng(stream(seed, "importance", evaluator, objective.name))
    draws = [rng.integers(len(trials), size=len(trials)) for _ in range(RESAMPLES)]
    again = [evaluate(drawn.tolist(), values[drawn], TREES_AGAIN) for drawn in draws]
    permuted = [
        evaluate(everything, rng.permutation(values), TREES_AGAIN) for _ in range(PERMUTATIONS)
    ]
    out = []
    for name, share in whole.items():
        found = [each[name] for each in again if name in each]
        low, high = np.percentile(found, (2.5, 97.5)) if found else (share, share)
        out.append(
            Importance(
                evaluator=evaluator,
                objective=objective.name,
                parameter=name,
                share=share,
                low=min(float(low), share),
                high=max(float(high), share),
                noise=_level([each[name] for each in permuted if name in each]),
                share_of=_share_of(evaluator, len(trials)),
            )
        )
    return out


def _level(shares: Sequence[float]) -> float | None:
    """Return the share that noise exceeds with 5 % probability; with few permutations, the largest.

    The k-th smallest of n is exceeded with probability 1 - k / (n + 1).
    """
    if not shares:
        return None
    place = min(math.ceil(NOISE_LEVEL * (len(shares) + 1)), len(shares))
    return float(sorted(shares)[place - 1])


def _study(
    trials: Sequence[FrozenTrial], values: Array, objective: ObjectiveInfo
) -> optuna.Study | None:
    """Return a study of some trials, which may repeat, under `values`; None where all are alike."""
    if values.max() == values.min():
        return None
    higher = objective.better == "higher"
    study = optuna.create_study(direction="maximize" if higher else "minimize")
    study.add_trials(
        create_trial(
            state=TrialState.COMPLETE,
            params=dict(trial.params),
            distributions=dict(trial.distributions),
            value=float(value),
        )
        for trial, value in zip(trials, values, strict=True)
    )
    return study


def _evaluate(study: optuna.Study, evaluator: Evaluator, trees: int, seed: int) -> dict[str, float]:
    """Return the share of each factor in the variance that its evaluator explains."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if evaluator == "ped_anova":
                return _among_the_best(study)
            forest = importance.FanovaImportanceEvaluator(n_trees=trees, seed=seed % 2**31)
            return {name: float(share) for name, share in forest.evaluate(study).items()}
        except (RuntimeError, ValueError):
            # A resample in which no factor varies has no shares.
            return {}


def _among_the_best(study: optuna.Study) -> dict[str, float]:
    """Return each factor's share in the variance of belonging to the best trials.

    PED-ANOVA gives the variance that a factor explains of the indicator; the indicator's own is
    q * (1 - q) with q the share of the best (more than asked for where values are equal).
    Its density estimates are smooth, so with few trials a share could come out above 1.
    """
    trials = study.get_trials(deepcopy=False)
    part = _best_part(len(trials))
    found = importance.PedAnovaImportanceEvaluator(target_quantile=part).evaluate(study)
    sign = 1.0 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1.0
    losses = np.sort(sign * np.array([trial.value for trial in trials], dtype=float))
    worst_of_best = losses[math.ceil(part * len(losses)) - 1]
    best = float((losses <= worst_of_best).mean())
    total = best * (1 - best)
    if total <= 0:
        return {}
    return {name: min(float(value) / total, 1.0) for name, value in found.items()}


def _best_part(trials: int) -> float:
    """Return the share of `trials` that count as the best."""
    return min(max(BEST_COUNT / trials, BEST_LEAST), BEST_MOST)


def _share_of(evaluator: Evaluator, trials: int) -> str:
    if evaluator == "fanova":
        return "the variance of a forest's prediction over the space"
    count = math.ceil(_best_part(trials) * trials)
    return f"the variance of being among the best {count} of {trials} trials"
