"""Send pictures under the file names for which the MLflow UI shows a grid with a step slider."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.track.store_names import safe_key

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from PIL import Image

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
    def stem(self) -> str:
        """The file name that MLflow's log_image would give, but the same on every call.

        A picture that is sent twice then replaces itself.
        """
        key = safe_key(self.key).replace("/", "~")
        unique = uuid.uuid5(uuid.NAMESPACE_URL, f"{key} {self.step} {self.timestamp}")
        return f"{key}+step+{self.step}+timestamp+{self.timestamp}+{unique}"


def log_pictures(client: MlflowClient, mlflow_id: str, pictures: Iterable[Picture]) -> list[Path]:
    """Send the pictures that exist; returns the paths of those that do not."""
    todo = list(pictures)
    present = [each for each in todo if _exists(each)]
    if present:
        with tempfile.TemporaryDirectory(prefix="tempo-images-") as folder:
            for each in present:
                _write(each, Path(folder))
            client.log_artifacts(mlflow_id, folder, FOLDER)
        client.set_tag(mlflow_id, SHOWN_TAG, "True")
    return [each.path for each in todo if not _exists(each)]


def _exists(picture: Picture) -> bool:
    sources: Sequence[Path | None] = (picture.path, picture.against)
    return all(path is None or path.is_file() for path in sources)


def _write(picture: Picture, folder: Path) -> None:
    """The picture at full size, and the thumbnail that the grid loads."""
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
