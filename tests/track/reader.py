"""What a tracking store shows of a study and what its records say, read independently.

Nothing of the mirror is used here: the store through MlflowClient, the records line by line.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

from tempo.core.records import Plan

STATUS = {"complete": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


@dataclass
class Shown:
    """One child run. `points`: (key, step, milliseconds, value); `images`: (key, step)."""

    status: str
    points: Counter = field(default_factory=Counter)
    last: dict[str, float] = field(default_factory=dict)
    images: Counter = field(default_factory=Counter)
    tags: dict[str, str] = field(default_factory=dict)


def value_of(value: float) -> float | str:
    return "nan" if math.isnan(value) else value


def in_store(uri: str, study: str) -> dict[str, Shown]:
    """Child runs by run_id; fails when a run_id is there twice."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    found: dict[str, Shown] = {}
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        run_id = run.data.tags.get("run_id")
        if run_id is None:
            continue
        assert run_id not in found, f"{run_id} is there twice"
        shown = Shown(status=run.info.status, tags=run.data.tags)
        for key in run.data.metrics:
            for each in client.get_metric_history(run.info.run_id, key):
                shown.points[key, each.step, each.timestamp, value_of(each.value)] += 1
        shown.last = {key: value_of(value) for key, value in run.data.metrics.items()}
        for file in client.list_artifacts(run.info.run_id, "images"):
            if file.path.endswith(".png"):
                key, _, step, *_ = Path(file.path).name.split("+")
                shown.images[key.replace("~", "/"), int(step)] += 1
        found[run_id] = shown
    return found


def in_records(root: Path, plan: Plan) -> dict[str, Shown]:
    """What should be there, superseded events left out by the rule in the records' own words:
    an attempt resumed at step s supersedes what came after s."""
    found: dict[str, Shown] = {}
    for run in plan.runs:
        path = root / "runs" / run.run_id / "events.jsonl"
        if not path.is_file():
            continue
        lines: list[dict] = []
        for line in map(json.loads, path.read_text().splitlines()):
            if line["kind"] == "attempt":
                keep = {"attempt", "model", "finish"}
                behind = line["resumed_step"]
                lines = [x for x in lines if x["kind"] in keep or x.get("step", 0) <= behind]
            lines.append(line)
        found[run.run_id] = _shown(lines, path.parent)
    return found


def _shown(lines: list[dict], folder: Path) -> Shown:
    shown = Shown(status=STATUS.get(lines[-1].get("status"), "RUNNING"))
    for line in lines:
        stamp, kind = round(line["time"] * 1000), line["kind"]
        if kind in {"train", "val", "evaluation"}:
            prefix = "test" if kind == "evaluation" else kind
            step = 0 if kind == "evaluation" else line["step"]
            for name, value in line["values"].items():
                number = float(value["float"]) if isinstance(value, dict) else float(value)
                key = name if name.startswith("system/") else f"{prefix}/{name}"
                shown.points[key, step, stamp, value_of(number)] += 1
                shown.last[key] = value_of(number)
        if kind == "image":
            shown.images[line["key"], line["step"]] += 1
            if line["key"].endswith("/prediction"):
                shown.images[line["key"].replace("prediction", "error"), line["step"]] += 1
        if kind == "evaluation":
            for clip in line["gallery"]:
                for part in ("prediction", "error", "target"):
                    shown.images[f"test/{clip['clip']}/{part}", 0] += 1
    return shown


def without_cost(shown: dict[str, Shown]) -> dict[str, tuple]:
    """What both sides name alike: everything but the cost, which is computed."""
    return {
        run_id: (
            each.status,
            {point: n for point, n in each.points.items() if not point[0].startswith("cost/")},
            {key: value for key, value in each.last.items() if not key.startswith("cost/")},
            each.images,
        )
        for run_id, each in shown.items()
    }


def assert_equal(uri: str, root: Path, plan: Plan) -> None:
    """The store holds what the records hold: no point, image or run too few or too many."""
    shown, recorded = without_cost(in_store(uri, plan.study)), without_cost(in_records(root, plan))
    assert shown.keys() == recorded.keys()
    for run_id in recorded:
        assert shown[run_id] == recorded[run_id], run_id
