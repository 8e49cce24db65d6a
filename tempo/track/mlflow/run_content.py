"""Send the content of a run's events: points, pictures, tables, environment, checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.records.event_log import read_events
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Evaluated,
    Finished,
    ImageSaved,
    Logged,
    Noted,
)
from tempo.records.run_record import effective
from tempo.track.mlflow.attachments import (
    attach_checkpoints,
    attach_json,
    attach_text,
    log_datasets,
)
from tempo.track.mlflow.client import log_points, log_tags
from tempo.track.mlflow.image_names import Picture, log_pictures
from tempo.track.mlflow.metric_points import FINAL, Point, cost_points, milliseconds, points_of
from tempo.track.store_names import environment_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is mirrored. `gallery`: test clips shown as pictures; `checkpoint_mib`: size up to
    which the best and the last checkpoint are attached when a run ends (0: never)."""

    gallery: int = 8
    checkpoint_mib: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSender:
    """Sends the events of one run to one child run."""

    client: MlflowClient
    mlflow_id: str
    folder: Path
    limits: Limits

    def send(self, events: Sequence[Logged]) -> list[str]:
        """Mirror `events`; returns the files that the records name and do not hold."""
        points = [point for logged in events for point in self._points(logged)]
        log_points(self.client, self.mlflow_id, points)
        pictures = [picture for logged in events for picture in self._pictures(logged)]
        missing = log_pictures(self.client, self.mlflow_id, pictures)
        for logged in events:
            missing += self._attach(logged)
        return [str(path) for path in missing]

    def _points(self, logged: Logged) -> list[Point]:
        if not isinstance(logged.event, Finished):
            return points_of(logged)
        until = [each for each in read_events(self.folder) if each.end <= logged.end]
        return cost_points(logged, until)

    def _pictures(self, logged: Logged) -> Iterator[Picture]:
        event, stamp = logged.event, milliseconds(logged.time)
        if isinstance(event, ImageSaved):
            yield from self._sample(event, stamp)
        elif isinstance(event, Evaluated) and event.split == "test":
            yield from self._gallery(event, stamp)

    def _sample(self, event: ImageSaved, stamp: int) -> Iterator[Picture]:
        """The image and, of a prediction whose target lies beside it, the error map."""
        path, name = self.folder / event.path, event.key.removesuffix("/prediction")
        yield Picture(key=event.key, step=event.step, timestamp=stamp, path=path)
        target = path.parent / "target.png"
        if name != event.key and target.is_file():
            key = f"{name}/error"
            yield Picture(key=key, step=event.step, timestamp=stamp, path=path, against=target)

    def _gallery(self, event: Evaluated, stamp: int) -> Iterator[Picture]:
        for clip in event.gallery[: self.limits.gallery]:
            prediction, target = (self.folder / clip[name] for name in ("prediction", "target"))
            shown: dict[str, tuple[Path, Path | None]] = {
                "prediction": (prediction, None),
                "error": (prediction, target),
                "target": (target, None),
            }
            for name, (path, against) in shown.items():
                key = f"test/{clip['clip']}/{name}"
                yield Picture(key=key, step=FINAL, timestamp=stamp, path=path, against=against)

    def _attach(self, logged: Logged) -> list[Path]:
        event = logged.event
        match event:
            case AttemptStarted():
                name = f"environment/attempt_{logged.attempt}.json"
                attach_json(self.client, self.mlflow_id, name, event.environment)
                log_tags(self.client, self.mlflow_id, environment_tags(event.environment))
                log_datasets(self.client, self.mlflow_id, self.folder, event.environment)
            case Evaluated():
                if event.split == "test":
                    self.client.set_tag(self.mlflow_id, "test_step", str(event.step))
                return self._attach_table(event)
            case Noted():
                return self._attach_notes(logged)
            case Finished():
                if event.detail:
                    name = f"failure/attempt_{logged.attempt}.txt"
                    attach_text(self.client, self.mlflow_id, name, event.detail)
                return self._attach_checkpoints(logged)
        return []

    def _attach_notes(self, logged: Logged) -> list[Path]:
        """All notes so far in one text, and the file that this one names."""
        until = (each for each in read_events(self.folder) if each.end <= logged.end)
        notes = [each.event for each in effective(until) if isinstance(each.event, Noted)]
        lines = [f"step {note.step}, {note.topic}: {note.message}" for note in notes]
        attach_text(self.client, self.mlflow_id, "notes.txt", "\n".join(lines) + "\n")
        path = logged.event.path if isinstance(logged.event, Noted) else None
        if path is None:
            return []
        if not (self.folder / path).is_file():
            return [self.folder / path]
        folder = Path(path).parent.as_posix()
        target = "notes" if folder == "." else folder
        self.client.log_artifact(self.mlflow_id, str(self.folder / path), target)
        return []

    def _attach_table(self, event: Evaluated) -> list[Path]:
        meaning: dict[str, Any] = {
            "protocol_hash": event.protocol_hash,
            "protocol": event.protocol,
            "checkpoint": event.checkpoint,
            "step": event.step,
            "clips": event.clips,
            "metrics": event.infos,
        }
        attach_json(self.client, self.mlflow_id, f"evaluation/{event.split}.json", meaning)
        table = self.folder / event.table
        if not event.table:
            return []
        if not table.is_file():
            return [table]
        self.client.log_artifact(self.mlflow_id, str(table), f"evaluation/{event.split}")
        return []

    def _attach_checkpoints(self, logged: Logged) -> list[Path]:
        if not self.limits.checkpoint_mib:
            return []
        events = (each.event for each in read_events(self.folder) if each.end <= logged.end)
        saved = [event for event in events if isinstance(event, CheckpointSaved)]
        chosen = {event.path for event in saved[-1:] + [e for e in saved if e.best][-1:]}
        paths = [self.folder / path for path in sorted(chosen)]
        attach_checkpoints(self.client, self.mlflow_id, paths, self.limits.checkpoint_mib)
        return [path for path in paths if not path.is_file()]
