"""Build Optuna's pruner from the spec's, and describe its rule."""

from __future__ import annotations

from optuna import pruners

from tempo.spec import search_section as spec


def make_pruner(search: spec.SearchSpec, val_every: int, steps: int | None) -> pruners.BasePruner:
    """Return the pruner of a search whose runs validate every `val_every` steps, `steps` in all.

    Without a pruner in the spec a single validation metric gets the median rule, costs and several
    objectives none.
    """
    options = search.pruner
    if search.curve is None:
        return pruners.NopPruner()
    if isinstance(options, spec.Hyperband):
        least = options.min_steps or val_every
        most = steps if steps is not None and steps >= least else "auto"
        return pruners.HyperbandPruner(
            min_resource=least, max_resource=most, reduction_factor=options.reduction
        )
    median = options if isinstance(options, spec.Median) else spec.Median()
    return pruners.MedianPruner(n_startup_trials=median.startup, n_warmup_steps=median.warmup)


def describe_pruner(search: spec.SearchSpec) -> str:
    """Return the pruning rule as a sentence."""
    options = search.pruner
    if search.curve is None:
        return "No trial is stopped for its curve."
    if isinstance(options, spec.Hyperband):
        return (
            f"A trial stops at a rung of its Hyperband bracket unless its {search.curve} is among "
            f"the best 1 in {options.reduction} that reached it."
        )
    median = options if isinstance(options, spec.Median) else spec.Median()
    return (
        f"A trial stops when its best {search.curve} so far is below the median, at that step, of "
        f"the complete trials, once {median.startup} of them are known."
    )
