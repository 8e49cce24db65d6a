"""Measure how far the weights that two runs chose are apart, tensor by tensor, on the CPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tempo.core.errors import RecordError
from tempo.records.layout import load_run
from tempo.spec.study import RunConfig
from tempo.train.evaluation.methods import chosen_checkpoints
from tempo.train.optim.averaging import mean_weights
from tempo.train.run.checkpoints import Checkpoints, weights_of


def weight_distance(before: Path, after: Path) -> dict[str, Any]:
    """Return how far the weights of the runs in two folders are apart, as JSON values.

    The weights are those that each run's own evaluation judges; several checkpoints count as their
    mean. Numbers are computed in double precision. See `WeightDistance` for the fields.

    Raises:
        RecordError: when a run has no checkpoint that can be used, or has no weights.
    """
    was, steps_before = _chosen(before)
    now, steps_after = _chosen(after)
    shared = [name for name in was if name in now and was[name].shape == now[name].shape]
    other_shape = sum(name in now for name in was) - len(shared)
    squared = own = 0.0
    largest, largest_in = 0.0, ""
    parts: dict[str, list[float]] = {}
    equal = True
    for name in shared:
        one, two = was[name].double(), now[name].double()
        gap = two - one
        far = float(gap.abs().max()) if gap.numel() else 0.0
        equal = equal and torch.equal(was[name], now[name])
        if far > largest or math.isnan(far):
            largest, largest_in = far, name
        ours, theirs = float(gap.square().sum()), float(one.square().sum())
        squared, own = squared + ours, own + theirs
        part = parts.setdefault(name.partition(".")[0], [0.0, 0.0])
        part[0] += ours
        part[1] += theirs
    return {
        "equal": equal and len(shared) == len(was) == len(now),
        "distance": _finite(math.sqrt(squared)) if shared else None,
        "relative": _relative(squared, own) if shared else None,
        "largest": _finite(largest) if shared else None,
        "largest_in": largest_in,
        "parts": {name: _relative(*sums) for name, sums in parts.items()},
        "shared": len(shared),
        "other_shape": other_shape,
        "only_before": sum(name not in now for name in was),
        "only_after": sum(name not in was for name in now),
        "steps": [steps_before, steps_after],
    }


def _relative(squared: float, own: float) -> float | None:
    return _finite(math.sqrt(squared / own)) if own else (0.0 if not squared else None)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _chosen(folder: Path) -> tuple[Mapping[str, Tensor], list[int]]:
    """The weights of a run's network and the steps they are of."""
    spec = load_run(folder)
    if spec.config.get("method") != "network":
        raise RecordError(f"{folder}: the run is of a method without weights")
    used = chosen_checkpoints(folder, RunConfig.model_validate(spec.config))
    states = [weights_of(Checkpoints(folder).load(each)) for each in used]
    weights = states[0] if len(states) == 1 else mean_weights(states)
    return weights, [each.step for each in used]
