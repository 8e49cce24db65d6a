"""Estimate each factor's share of the objective's variance, with intervals.

fANOVA (Hutter et al. 2014) fits a forest over the whole space; PED-ANOVA (Watanabe et al. 2023)
asks what sets the better trials apart. The interval is a percentile bootstrap over the trials:
with few of them it is wide, and says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import optuna
from optuna import importance
from optuna.trial import FrozenTrial, TrialState, create_trial

from tempo.core.seeding import stream
from tempo.records.search_record import Importance

MIN_TRIALS = 8
"""Complete trials below which a share means nothing."""

RESAMPLES = 40
TREES = 32

Evaluator = Literal["fanova", "ped_anova"]
EVALUATORS: dict[Evaluator, Callable[[int], importance.BaseImportanceEvaluator]] = {
    "fanova": lambda seed: importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed % 2**31),
    "ped_anova": lambda seed: importance.PedAnovaImportanceEvaluator(),
}


def importances(
    trials: Sequence[FrozenTrial], objectives: Sequence[str], *, seed: int
) -> tuple[Importance, ...]:
    """Return each factor's share by evaluator and objective; none with too few complete trials."""
    if len(trials) < MIN_TRIALS:
        return ()
    out: list[Importance] = []
    for index, objective in enumerate(objectives):
        for evaluator in EVALUATORS:
            out += _shares(trials, index, objective, evaluator, seed)
    return tuple(out)


def _shares(
    trials: Sequence[FrozenTrial], index: int, objective: str, evaluator: Evaluator, seed: int
) -> list[Importance]:
    whole = _evaluate(trials, index, evaluator, seed)
    rng = np.random.default_rng(stream(seed, "importance", evaluator, objective))
    drawn = [
        _evaluate(
            [trials[i] for i in rng.integers(len(trials), size=len(trials))], index, evaluator, seed
        )
        for _ in range(RESAMPLES)
    ]
    out = []
    for name, share in whole.items():
        found = [each[name] for each in drawn if name in each]
        low, high = np.percentile(found, (2.5, 97.5)) if found else (share, share)
        out.append(
            Importance(
                evaluator=evaluator,
                objective=objective,
                parameter=name,
                share=share,
                low=min(float(low), share),
                high=max(float(high), share),
            )
        )
    return out


def _evaluate(
    trials: Sequence[FrozenTrial], index: int, evaluator: Evaluator, seed: int
) -> dict[str, float]:
    """Return the shares over some trials, which may repeat; none where they do not vary."""
    values = [trial.values[index] for trial in trials]
    if max(values) == min(values):
        return {}
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        create_trial(
            state=TrialState.COMPLETE,
            params=dict(trial.params),
            distributions=dict(trial.distributions),
            value=value,
        )
        for trial, value in zip(trials, values, strict=True)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = EVALUATORS[evaluator](seed)
            return dict(importance.get_param_importances(study, evaluator=made))
        except (RuntimeError, ValueError):
            # A resample in which no factor varies has no shares.
            return {}
