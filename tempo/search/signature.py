"""What all trials of a search have in common, so that their values can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tempo.search.space import Space
from tempo.spec.load import LoadedStudy

RESULT = ("arch", "data", "recipe", "evaluation")


def optuna_name(loaded: LoadedStudy) -> str:
    """The Optuna study of a search: each profile has one of its own."""
    return f"{loaded.spec.study}.{loaded.profile}" if loaded.profile else loaded.spec.study


def signature(space: Space) -> Mapping[str, Any]:
    """Space, objectives, constraints, seeds, and what of the study itself counts for its runs.

    Plain JSON values, so that what was stored compares equal to what is asked now.
    """
    spec = space.loaded.spec
    base = space.base.resolved.chosen
    factors = {
        parameter.name: spec.factors[parameter.name].model_dump(mode="json", exclude_defaults=True)
        for parameter in space.parameters
    }
    value = {
        "factors": factors,
        "exclude": [each.model_dump(mode="json") for each in spec.exclude],
        "objectives": list(space.search.objectives),
        "constraints": [str(each) for each in space.search.constraints],
        "study": {name: base[name] for name in RESULT if name in base},
        "seeds": list(spec.seeds),
    }
    plain: Mapping[str, Any] = json.loads(json.dumps(value))
    return plain
