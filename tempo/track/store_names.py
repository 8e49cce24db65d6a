"""Name a study's runs in a tracking store: params, tags, keys and statuses."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from tempo.core.config_diff import diff, flatten
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunStatus
from tempo.spec.study import RunConfig

_KEY = re.compile(r"[^A-Za-z0-9_\-. /]")

NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
"""Tags to which MLflow gives a meaning; so it does to the values below."""

SYSTEM_TAGS = {
    "user": "mlflow.user",
    "commit": "mlflow.source.git.commit",
    "git_commit": "mlflow.source.git.commit",
    "git_dirty": "mlflow.source.git.dirty",
    "dirty": "mlflow.source.git.dirty",
    "branch": "mlflow.source.git.branch",
    "git_branch": "mlflow.source.git.branch",
}

REFERENCE_SECTIONS = ("method", "data", "evaluation")
"""What defines a reference method, which has neither weights nor training."""

MLFLOW_STATUS = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.COMPLETE: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.STOPPED: "KILLED",
    RunStatus.PRUNED: "KILLED",
}


def safe_key(name: str) -> str:
    """Return `name` with the characters that keys may not hold replaced by `_`."""
    return _KEY.sub("_", name)


def as_text(value: Any) -> str:
    """Return a value as text: strings unquoted, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _result_values(section: BaseModel, *, defaults: bool) -> dict[str, Any]:
    """The fields that can change a result, as JSON values; without `defaults`, those set."""
    dumped = section.model_dump(mode="json")
    out: dict[str, Any] = {}
    for name, info in type(section).model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("changes_result") is False:
            continue
        value = getattr(section, name)
        is_default = not info.is_required() and value == info.get_default()
        if not defaults and is_default and name != "kind":
            continue
        nested = isinstance(value, BaseModel)
        out[name] = _result_values(value, defaults=defaults) if nested else dumped[name]
    return out


def defining(config: Mapping[str, Any], *, defaults: bool = True) -> dict[str, str]:
    """The fields of a RunConfig that define the run, by dotted path.

    What cannot change a result (the runtime, where data lies) is left out; so is, for a reference
    method, everything about networks and their training, and without `defaults` every field that
    nobody set. A config that is no RunConfig, as imported runs have, is taken whole.
    """
    method, values = config.get("method"), config
    if method is not None:
        values = _result_values(RunConfig.model_validate(dict(config)), defaults=defaults)
        names = REFERENCE_SECTIONS if method != "network" else values.keys() - {"runtime"}
        values = {name: value for name, value in values.items() if name in names}
    return {path: as_text(value) for path, value in flatten(values).items()}


def params(plan: Plan, variant: PlannedVariant) -> dict[str, str]:
    """The params of a variant's runs: the defining fields that some variant of the plan sets.

    So a field left at its default everywhere makes no column and no caption, and one that varies
    is there for all. The run's artifact `spec.yaml` holds every field.
    """
    chosen = {path for each in plan.variants for path in defining(each.config, defaults=False)}
    return {path: text for path, text in defining(variant.config).items() if path in chosen}


def difference(config: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, str]:
    """What differs from the baseline: dotted path -> `theirs -> ours`; `-` where one has none."""
    changed = diff(defining(baseline), defining(config), missing="-")
    return {path: f"{theirs} -> {ours}" for path, (theirs, ours) in sorted(changed.items())}


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


def source_tags(plan: Plan) -> dict[str, str]:
    """Return the tags of the user and the spec file of a run."""
    return {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": plan.source,
        "mlflow.source.type": "LOCAL",
    }


def about_tags(about: Mapping[str, Any]) -> dict[str, str]:
    """Return an invocation's description as tags; commit and user under MLflow's own names."""
    return {
        SYSTEM_TAGS.get(path, safe_key(f"tempo.{path}")): as_text(value)
        for path, value in flatten(about).items()
        if value is not None
    }


def environment_tags(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of an attempt's environment: commit, device and host."""
    named = {path: SYSTEM_TAGS[path] for path in environment if path in SYSTEM_TAGS}
    named |= {path: path for path in ("device", "host") if path in environment}
    return {tag: as_text(environment[path]) for path, tag in named.items()}


def run_tags(plan: Plan, run: PlannedRun) -> dict[str, str]:
    """Return the tags that identify a run; `factor.<name>` holds the level of each factor.

    `also` names further variants that this run stands for.
    """
    variant = plan.variant(run.variant)
    tags = {"run_id": run.run_id, "variant": run.variant, "role": variant.role}
    if run.seed is not None:
        tags["seed"] = str(run.seed)
    tags |= {safe_key(f"factor.{name}"): level for name, level in variant.levels.items()}
    shared = [other.variant for other in plan.runs if other.run_id == run.run_id]
    if len(shared) > 1:
        tags["also"] = ", ".join(name for name in shared if name != run.variant)
    diff = difference_text(plan, variant)
    if diff is not None:
        tags["tempo.diff"] = diff
    return tags
