"""The gallery: test clips whose predictions are kept, chosen from the split alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tempo.data.cache.splits import Split
from tempo.records.files import of_attempt, sha256_of
from tempo.train.evaluation.clip_evaluation import Judged
from tempo.train.evaluation.picture_writer import given, save_png, to_pixels


def choose(split: Split, count: int) -> tuple[int, ...]:
    """Indices of `count` clips spread evenly over the split's motion, slowest first.

    Clips whose motion is not known are spread over the order of the split. The choice depends on
    nothing but the split, so that every run of a study keeps the same clips.
    """

    def key(index: int) -> tuple[float, int]:
        motion = split.locate(index)[1].motion
        return (-math.inf if motion is None else motion, index)

    return spread(sorted(range(len(split)), key=key), count)


def spread(order: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` of `order`, or all of it, evenly spaced."""
    count = min(count, len(order))
    return tuple(order[int((place + 0.5) * len(order) / count)] for place in range(count))


def keep(judged: Judged, folder: Path, attempt: int) -> Mapping[str, str]:
    """Write the pictures of a clip under `folder`/gallery.

    Returns its id, their paths, and the SHA-256 of the file with the prediction.
    """
    pictures = given(judged.clip) | {"prediction": to_pixels(judged.prediction)}
    entry = {"clip": judged.row.clip}
    for part, pixels in pictures.items():
        path = of_attempt(Path("gallery") / f"{judged.row.index:05d}-{part}.png", attempt)
        save_png(folder / path, pixels)
        entry[part] = str(path)
    return entry | {"prediction_sha256": sha256_of(folder / entry["prediction"])}


def keep_prediction(judged: Judged, folder: Path) -> Mapping[str, str]:
    """Write only the prediction of a clip under `folder`/gallery; the rest is in the test set.

    Returns the clip's id, the path and the file's SHA-256.
    """
    path = Path("gallery") / f"{judged.row.index:05d}-prediction.png"
    save_png(folder / path, to_pixels(judged.prediction))
    digest = sha256_of(folder / path)
    return {"clip": judged.row.clip, "prediction": str(path), "prediction_sha256": digest}
