"""How a study is named in a tracking store: params, tags, keys and statuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunStatus
from tempo.spec.study import RunConfig

_KEY = re.compile(r"[^A-Za-z0-9_\-. /]")

MLFLOW_STATUS = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.COMPLETE: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.STOPPED: "KILLED",
    RunStatus.PRUNED: "KILLED",
}


def safe_key(name: str) -> str:
    """`name` with what a metric, image or tag key may not hold replaced by `_`."""
    return _KEY.sub("_", name)


def as_text(value: Any) -> str:
    """A value as people write it in YAML: strings bare, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, leaf) of nested mappings; lists are leaves. Empty mappings vanish."""
    if not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, item in value.items():
        yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))


def _result_values(section: BaseModel) -> dict[str, Any]:
    dumped = section.model_dump(mode="json")
    out: dict[str, Any] = {}
    for name, info in type(section).model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("changes_result") is False:
            continue
        value = getattr(section, name)
        out[name] = _result_values(value) if isinstance(value, BaseModel) else dumped[name]
    return out


def defining(config: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a RunConfig that define the run, by dotted path, defaults included.

    What cannot change a result (the runtime, where data lies) is left out; so is, for a reference
    method, everything about networks and their training. A config that is no RunConfig, as
    imported runs have, is taken whole.
    """
    method = config.get("method")
    if method is None:
        return {path: as_text(value) for path, value in flatten(config)}
    values = _result_values(RunConfig.model_validate(dict(config)))
    values.pop("runtime")
    if method != "network":
        values = {name: values[name] for name in ("method", "data", "evaluation")}
    return {path: as_text(value) for path, value in flatten(values)}


def difference(config: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, str]:
    """What differs from the baseline: dotted path -> `theirs -> ours`; `-` where one has none."""
    ours, theirs = defining(config), defining(baseline)
    paths = sorted(ours.keys() | theirs.keys())
    return {
        path: f"{theirs.get(path, '-')} -> {ours.get(path, '-')}"
        for path in paths
        if ours.get(path) != theirs.get(path)
    }


def difference_text(plan: Plan, variant: PlannedVariant) -> str | None:
    """The tag `tempo.diff` of a variant, or None for a plan without a baseline."""
    if plan.baseline is None:
        return None
    if variant.name == plan.baseline:
        return "baseline"
    if variant.role == "reference":
        return f"method {variant.config.get('method')} (no network)"
    changes = difference(variant.config, plan.variant(plan.baseline).config)
    return "; ".join(f"{path}: {change}" for path, change in changes.items()) or "none"


def run_tags(plan: Plan, run: PlannedRun) -> dict[str, str]:
    """What a run is, for filters and columns: `factor.<name>` holds the level of each factor."""
    variant = plan.variant(run.variant)
    tags = {"run_id": run.run_id, "variant": run.variant, "role": variant.role}
    if run.seed is not None:
        tags["seed"] = str(run.seed)
    tags |= {safe_key(f"factor.{name}"): level for name, level in variant.levels.items()}
    diff = difference_text(plan, variant)
    if diff is not None:
        tags["tempo.diff"] = diff
    return tags
