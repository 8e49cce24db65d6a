"""Validate a network in training on held-out clips; save pictures of the first few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from tempo.data.cache.splits import Split
from tempo.records.events import ImageSaved
from tempo.records.files import of_attempt
from tempo.train.evaluation.clip_evaluation import (
    Judged,
    Predictor,
    Row,
    collect,
    in_order,
    judge,
    means,
    share_of,
)
from tempo.train.evaluation.kept_pictures import Pixels, inputs_and_target, save_png, to_pixels
from tempo.train.hardware.process_group import Group
from tempo.train.run.stop_request import StopRequest

SAMPLES = 4
"""Validation clips whose pictures are kept at every validation."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The validation clips of a run, and the folder of their pictures."""

    split: Split
    limit: int | None
    device: torch.device
    group: Group
    folder: Path
    attempt: int
    first_step: int
    """The step of the first validation: inputs and targets are kept with it."""

    @property
    def clips(self) -> range:
        return range(min(len(self.split), self.limit or len(self.split)))

    def run(
        self, predict: Predictor, step: int, stop: StopRequest
    ) -> tuple[dict[str, float], list[ImageSaved]]:
        """Return the mean metrics over all clips, and the pictures written at `step`."""
        rows: list[Row] = []
        images: list[ImageSaved] = []
        mine = share_of(self.clips, self.group)
        for judged in judge(predict, self.split, mine, self.device, stop):
            rows.append(judged.row)
            if judged.row.index < SAMPLES:
                images += self._pictures(judged, step)
        every = in_order(collect(rows, self.group, stop))
        return means(every), collect(images, self.group, stop)

    def _pictures(self, judged: Judged, step: int) -> Iterator[ImageSaved]:
        name = f"val{judged.row.index}"
        for part, pixels in (
            inputs_and_target(judged.clip).items() if step == self.first_step else ()
        ):
            yield self._save(step, f"{name}/{part}", Path("images") / name / f"{part}.png", pixels)
        path = Path("images") / name / f"prediction-{step:08d}.png"
        yield self._save(step, f"{name}/prediction", path, to_pixels(judged.prediction))

    def _save(self, step: int, key: str, path: Path, pixels: Pixels) -> ImageSaved:
        path = of_attempt(path, self.attempt)
        save_png(self.folder / path, pixels)
        return ImageSaved(step=step, key=key, path=str(path))
