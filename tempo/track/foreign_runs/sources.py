"""Tell what a path holds that runs can be read from, and read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tempo.core.catalog import unknown
from tempo.core.errors import MissingError, RecordError, UnknownNameError
from tempo.track.foreign_runs.clip_tables import is_clip_table, read_clip_tables
from tempo.track.foreign_runs.json_folder import is_json_folder, read_json_folder
from tempo.track.foreign_runs.stored_run import StoredRun
from tempo.track.foreign_runs.tensorboard_events import is_tensorboard, read_tensorboard
from tempo.track.foreign_runs.wandb_offline import is_wandb, read_wandb

MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class Reader:
    """How runs of one kind are recognised and read; `origin` is what people call it."""

    origin: str
    holds: Callable[[Path], bool]
    read: Callable[[Path], list[StoredRun]]


READERS = {
    "tensorboard": Reader("TensorBoard", is_tensorboard, read_tensorboard),
    "wandb": Reader("W&B", is_wandb, read_wandb),
    "clips": Reader("tables of clips", is_clip_table, read_clip_tables),
    "json": Reader("JSON files", is_json_folder, read_json_folder),
}
"""By kind, in the order in which a path is tried."""


def kind_of(source: str, asked: str | None = None) -> str:
    """Return the kind of a source: one that was asked for, `mlflow` for an address or a store of
    MLflow, else what the path holds.

    Raises:
        UnknownNameError: for a kind that there is not.
        MissingError: when nothing is there.
        RecordError: when it holds nothing that can be read.
    """
    if asked is not None:
        if asked not in (MLFLOW, *READERS):
            raise UnknownNameError(unknown("kind of source", asked, (MLFLOW, *READERS)))
        return asked
    path = Path(source).expanduser()
    if "://" in source or path.suffix in {".db", ".sqlite", ".sqlite3"}:
        return MLFLOW
    if not path.exists():
        raise MissingError(
            f"{source} is neither there nor an address of an MLflow store (http://..., "
            "sqlite:///...)"
        )
    found = next((name for name, reader in READERS.items() if reader.holds(path)), None)
    if found is not None:
        return found
    if path.is_dir() and ((path / "mlflow.db").is_file() or (path / "0").is_dir()):
        return MLFLOW
    raise RecordError(
        f"{source} holds neither event files of TensorBoard, runs of W&B, tables (.csv, .tsv, "
        ".parquet), JSON files nor an MLflow store"
    )


def read_source(source: str, kind: str) -> list[StoredRun]:
    """Read the runs at a path.

    Raises:
        MissingError, RecordError: as the reader of that kind.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise MissingError(f"there is nothing at {source}")
    return READERS[kind].read(path)
