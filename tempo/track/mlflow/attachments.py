"""Attach files and data-set inputs to a run in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tempo.core.identity import short_hash
from tempo.records.events import encode
from tempo.records.layout import load_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONTEXT_TAG = "mlflow.data.context"
CONTEXTS = {"train": "training", "val": "validation", "test": "test"}
DIGEST_LENGTH = 36
"""Longest digest that MLflow keeps."""


def attach_text(client: MlflowClient, mlflow_id: str, name: str, text: str) -> None:
    """Store `text` as the artifact `name`; a second time replaces the first."""
    client.log_text(mlflow_id, text, name)


def attach_json(client: MlflowClient, mlflow_id: str, name: str, value: Any) -> None:
    attach_text(client, mlflow_id, name, json.dumps(encode(value), indent=2) + "\n")


def attach_spec(client: MlflowClient, mlflow_id: str, config: Mapping[str, Any]) -> None:
    """The fully resolved spec of the run, as YAML that Tempo reads back."""
    text = yaml.safe_dump(encode(config), sort_keys=False, allow_unicode=True)
    attach_text(client, mlflow_id, "spec.yaml", text)


def attach_checkpoints(
    client: MlflowClient, mlflow_id: str, paths: Sequence[Path], limit_mib: float
) -> None:
    """Store the checkpoints that exist and are not larger than `limit_mib`."""
    for path in paths:
        if path.is_file() and path.stat().st_size <= limit_mib * 2**20:
            client.log_artifact(mlflow_id, str(path), "checkpoints")


def log_datasets(
    client: MlflowClient, mlflow_id: str, folder: Path, environment: Mapping[str, Any]
) -> None:
    """Name the data the run learned from and was judged on, one input a split.

    Digests are those that the attempt recorded (`data`: split -> digest); without them, a hash of
    the settings says which data was asked for.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = load_run(folder).config.get("data")
    if not isinstance(data, Mapping):
        return
    recorded = environment.get("data")
    digests = recorded if isinstance(recorded, Mapping) else {}
    inputs = []
    for split in digests or CONTEXTS:
        dataset = Dataset(
            name=str(data.get("kind", "data")),
            digest=str(digests.get(split) or short_hash(data))[:DIGEST_LENGTH],
            source_type="tempo",
            source=json.dumps(encode(data), sort_keys=True),
            profile=json.dumps({"clips": data.get(f"{split}_clips"), "split": split}),
        )
        inputs.append(DatasetInput(dataset, [InputTag(CONTEXT_TAG, CONTEXTS.get(split, split))]))
    client.log_inputs(mlflow_id, inputs)
