"""Mirror ended runs as offline runs of Weights & Biases, to be uploaded by `wandb sync`.

Offline files cannot be added to later, so a run is written once it has ended, whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tempo.core.errors import MissingError, RecordError
from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.records.event_log import read_events
from tempo.records.events import Finished, ImageSaved, Logged
from tempo.records.files import inside, read_object, write_json
from tempo.records.layout import Store
from tempo.records.run_record import effective
from tempo.track.mirror_thread import SyncThread
from tempo.track.mlflow.metric_points import cost_points, points_of
from tempo.track.store_names import defining, run_tags


class WandbMirror:
    """A Tracker that writes the ended runs of `store` for W&B into `<root>/wandb`.

    `uri` is the folder whose runs `wandb sync` uploads; `problem`: why one is missing, or None.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.root / "wandb"
        self.uri = str(self._folder)
        self._plan: Plan | None = None
        self.problem: str | None = None
        self._background = SyncThread(self.sync, interval=10.0)

    def open(self, plan: Plan, invocation: Mapping[str, Any] | None) -> None:
        """Mirror `plan` from now on; a MissingError says that wandb is not installed."""
        require_wandb()
        self._plan = plan

    def start(self) -> None:
        self._background.start()

    def stop(self, timeout: float = 10.0) -> None:
        self._background.stop(timeout)

    def sync(self, *, over: bool | None = None) -> bool:
        """Write the runs that ended since the last call."""
        if self._plan is None:
            raise RuntimeError("open a plan first")
        try:
            for run in self._plan.distinct_runs:
                self._write(self._plan, run)
        except Exception as error:
            # Whatever wandb raises, the study goes on.
            self.problem = f"wandb: {type(error).__name__}: {error}"
            return False
        self.problem = None
        return True

    def finish(self, status: str, artifacts: Sequence[Path], metrics: Mapping[str, float]) -> bool:
        """A last sync; reports and study-level metrics stay in their own folder."""
        self.stop()
        return self.sync(over=True)

    def _write(self, plan: Plan, run: PlannedRun) -> None:
        folder, noted = self._store.run_dir(run.run_id), self._folder / f"{run.run_id}.json"
        events = list(read_events(folder))
        last = events[-1].event if events else None
        if not isinstance(last, Finished) or last.status == RunStatus.STOPPED:
            return
        if _end_of(noted) == events[-1].end:
            return
        wandb = require_wandb()
        target = wandb.init(
            mode="offline",
            dir=str(self._store.root),
            project=plan.study,
            id=f"{run.run_id}-{events[-1].attempt}",
            name=run.title,
            group=run.variant,
            config=defining(plan.variant(run.variant).config) | run_tags(plan, run),
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )
        for step, values in _by_step(wandb, folder, events):
            target.log(values, step=step)
        target.finish(exit_code=0 if last.status == RunStatus.COMPLETE else 1)
        write_json(noted, {"end": events[-1].end})


def _end_of(noted: Path) -> Any:
    """Up to where a run was written before; None where that cannot be told, and it is again."""
    try:
        return read_object(noted).get("end")
    except RecordError:
        return None


def _by_step(
    wandb: Any, folder: Path, events: Sequence[Logged]
) -> list[tuple[int, dict[str, Any]]]:
    """Step -> what was logged there, in ascending order; final figures stand at the last step."""
    rows: dict[int, dict[str, Any]] = {}
    final: dict[str, Any] = {}
    for logged in effective(events):
        event = logged.event
        for point in (*points_of(logged), *cost_points(logged, events)):
            once = point.key.startswith(("test/", "cost/"))
            (final if once else rows.setdefault(point.step, {}))[point.key] = point.value
        if isinstance(event, ImageSaved) and inside(folder, event.path).is_file():
            image = wandb.Image(str(inside(folder, event.path)))
            rows.setdefault(event.step, {})[event.key] = image
    rows.setdefault(max(rows, default=0), {}).update(final)
    return sorted(rows.items())


def require_wandb() -> Any:
    """Import wandb, or raise a MissingError that says how to install it."""
    try:
        return import_module("wandb")
    except ImportError as error:
        raise MissingError("the W&B mirror needs wandb: pip install wandb") from error
