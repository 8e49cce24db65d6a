"""Every mirror is a Tracker."""

from pathlib import Path

from tempo.core.ports import Tracker
from tempo.records.layout import Store
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.wandb_store import WandbMirror


def trackers(store: Store) -> list[Tracker]:
    """Checked by mypy; at run time the names must be there."""
    return [MlflowMirror(store), WandbMirror(store)]


def test_mirrors_have_all_that_the_port_names(tmp_path: Path) -> None:
    names = [name for name in vars(Tracker) if not name.startswith("_")]
    assert {"open", "sync", "finish", "uri", "problem"} <= set(names)
    for tracker in trackers(Store(tmp_path)):
        assert all(hasattr(tracker, name) for name in names)
