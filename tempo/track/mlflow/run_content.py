"""Send the content of a run's events: points, pictures, tables, environment, checkpoints."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.records.event_log import read_events
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Evaluated,
    Event,
    Finished,
    ImageSaved,
    Logged,
    Noted,
    encode,
)
from tempo.records.files import inside
from tempo.records.layout import load_run
from tempo.records.pictures import picture_size
from tempo.records.run_record import effective
from tempo.track.mlflow.client import attach_json, attach_text, send_batch
from tempo.track.mlflow.metric_points import FINAL, Point, cost_points, milliseconds, points_of
from tempo.track.store_names import environment_tags, safe_key

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is mirrored. `gallery`: test clips shown as pictures; `checkpoint_mib`: size up to
    which the best and the last checkpoint are attached when a run ends (0: never)."""

    gallery: int = 8
    checkpoint_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class EventSender:
    """Sends the events of one run to one child run."""

    client: MlflowClient
    mlflow_id: str
    folder: Path
    limits: Limits

    def send(self, events: Sequence[Logged]) -> list[str]:
        """Mirror `events`; returns the files that the records name and do not hold."""
        points = [point for logged in events for point in self._points(logged)]
        pictures = [picture for logged in events for picture in self.pictures(logged)]
        present = [each for each in pictures if each.exists]
        tags = {name: text for logged in events for name, text in _tags(logged.event).items()}
        tags |= {SHOWN_TAG: "True"} if present else {}
        send_batch(self.client, self.mlflow_id, points=points, tags=tags)
        log_pictures(self.client, self.mlflow_id, present)
        missing = [each.path for each in pictures if each not in present]
        for logged in events:
            missing += self._attach(logged)
        return [str(path) for path in missing]

    def _points(self, logged: Logged) -> list[Point]:
        if not isinstance(logged.event, Finished):
            return points_of(logged)
        until = [each for each in read_events(self.folder) if each.end <= logged.end]
        return cost_points(logged, until)

    def pictures(self, logged: Logged) -> Iterator[Picture]:
        """Yield the pictures that an event brings, in the order they are shown."""
        event, stamp = logged.event, milliseconds(logged.time)
        if isinstance(event, ImageSaved):
            yield from self._sample(event, stamp)
        elif isinstance(event, Evaluated) and event.split == "test":
            yield from self._gallery(event, stamp)

    def _sample(self, event: ImageSaved, stamp: int) -> Iterator[Picture]:
        """The image and, of a prediction whose target lies beside it, the error map."""
        path, name = inside(self.folder, event.path), event.key.removesuffix("/prediction")
        yield Picture(key=event.key, step=event.step, timestamp=stamp, path=path)
        target = path.parent / "target.png"
        if name != event.key and target.is_file():
            key = f"{name}/error"
            yield Picture(key=key, step=event.step, timestamp=stamp, path=path, against=target)

    def _gallery(self, event: Evaluated, stamp: int) -> Iterator[Picture]:
        for clip in event.gallery[: self.limits.gallery]:
            if not clip.keys() >= {"clip", "prediction", "target"}:
                continue
            prediction, target = (
                inside(self.folder, clip[name]) for name in ("prediction", "target")
            )
            for name in ("prediction", "error", "target"):
                key = f"test/{clip['clip']}/{name}"
                path = target if name == "target" else prediction
                against = target if name == "error" else None
                yield Picture(key=key, step=FINAL, timestamp=stamp, path=path, against=against)

    def _attach(self, logged: Logged) -> list[Path]:
        event = logged.event
        match event:
            case AttemptStarted():
                name = f"environment/attempt_{logged.attempt}.json"
                attach_json(self.client, self.mlflow_id, name, event.environment)
                log_datasets(self.client, self.mlflow_id, self.folder, event.environment)
            case Evaluated():
                return self.attach_table(event, event.split)
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
        folder = Path(path or "").parent.as_posix()
        return self._attach_file(path, "notes" if folder == "." else folder)

    def _attach_file(self, path: str | None, target: str) -> list[Path]:
        """Attach a file of the run in the folder `target`; return it where it is missing."""
        if not path:
            return []
        file = inside(self.folder, path)
        if not file.is_file():
            return [file]
        self.client.log_artifact(self.mlflow_id, str(file), target)
        return []

    def attach_table(self, event: Evaluated, name: str) -> list[Path]:
        """Attach protocol and per-clip table of an evaluation; return what of them is missing."""
        fields = ("protocol_hash", "protocol", "checkpoint", "step", "clips")
        meaning = {each: getattr(event, each) for each in fields} | {"metrics": event.infos}
        attach_json(self.client, self.mlflow_id, f"evaluation/{name}.json", meaning)
        return self._attach_file(event.table, f"evaluation/{name}")

    def _attach_checkpoints(self, logged: Logged) -> list[Path]:
        if not self.limits.checkpoint_mib:
            return []
        events = (each.event for each in read_events(self.folder) if each.end <= logged.end)
        saved = [event for event in events if isinstance(event, CheckpointSaved)]
        chosen = {event.path for event in saved[-1:] + [e for e in saved if e.best][-1:]}
        paths = [inside(self.folder, path) for path in sorted(chosen)]
        for path in paths:
            if path.is_file() and path.stat().st_size <= self.limits.checkpoint_mib * 2**20:
                self.client.log_artifact(self.mlflow_id, str(path), "checkpoints")
        return [path for path in paths if not path.is_file()]


def _tags(event: Event) -> dict[str, str]:
    """Return the tags that an event brings."""
    if isinstance(event, AttemptStarted):
        return environment_tags(event.environment)
    if isinstance(event, Evaluated) and event.split == "test":
        return {"test_step": str(event.step)}
    return {}


FOLDER = "images"
SHOWN_TAG = "mlflow.loggedImages"
THUMBNAIL = 256
ERROR_GAIN = 4.0
"""Absolute errors are small: they are shown this many times brighter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image file under `key` at `step`. With `against`, its error map is shown instead."""

    key: str
    step: int
    timestamp: int
    path: Path
    against: Path | None = None

    @property
    def exists(self) -> bool:
        """Whether the picture can be read, and the one it is held against has its size."""
        try:
            sizes = {picture_size(path) for path in (self.path, self.against) if path is not None}
        except RecordError:
            return False
        return len(sizes) == 1

    @property
    def stem(self) -> str:
        """The file name that MLflow's log_image would give, but the same on every call.

        A picture that is sent twice then replaces itself.
        """
        key = safe_key(self.key).replace("/", "~")
        unique = uuid.uuid5(uuid.NAMESPACE_URL, f"{key} {self.step} {self.timestamp}")
        return f"{key}+step+{self.step}+timestamp+{self.timestamp}+{unique}"


def log_pictures(client: MlflowClient, mlflow_id: str, pictures: Sequence[Picture]) -> None:
    """Send pictures, which exist, in the way in which MLflow's pages show them."""
    if pictures:
        with tempfile.TemporaryDirectory(prefix="tempo-images-") as folder:
            for each in pictures:
                _write(each, Path(folder))
            client.log_artifacts(mlflow_id, folder, FOLDER)


def _write(picture: Picture, folder: Path) -> None:
    from PIL import Image

    with Image.open(picture.path) as image:
        pixels: Image.Image = image.convert("RGB")
    if picture.against is not None:
        with Image.open(picture.against) as other:
            pixels = error_map(pixels, other.convert("RGB"))
    pixels.save(folder / f"{picture.stem}.png")
    scale = THUMBNAIL / max(pixels.size)
    # Small pictures are enlarged without smoothing: their pixels are what one wants to see.
    resample = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BICUBIC
    size = (max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale)))
    thumbnail = pixels.resize(size, resample)
    # Hardly larger than by WebP's default effort, which takes fifteen times as long.
    thumbnail.save(folder / f"{picture.stem}+compressed.webp", lossless=True, method=0, quality=0)


def error_map(one: Image.Image, other: Image.Image) -> Image.Image:
    """ERROR_GAIN x |one - other|, mean over channels, as a grey image of the same size."""
    from PIL import Image, ImageChops

    grey = ImageChops.difference(one, other).convert("RGB", _MEAN).getchannel(0)
    bright = grey.point([min(255, round(level * ERROR_GAIN)) for level in range(256)])
    return Image.merge("RGB", (bright, bright, bright))


_MEAN = (1 / 3, 1 / 3, 1 / 3, 0) * 3

CONTEXT_TAG = "mlflow.data.context"
CONTEXTS = {"train": "training", "val": "validation", "test": "test"}
DIGEST_LENGTH = 36
"""Longest digest that MLflow keeps."""


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
