"""Predict clips in batches and measure each; validate a network in training on held-out clips."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from tempo.core.errors import MissingError, StoppedError
from tempo.data.cache.splits import Split
from tempo.data.clips import Clip, Pixels
from tempo.metrics.metric_table import METRICS, evaluate_pair
from tempo.records.events import ImageSaved
from tempo.records.files import of_attempt
from tempo.spec.metrics import DEFAULT_METRICS
from tempo.train.evaluation.kept_pictures import inputs_and_target, save_png, to_pixels
from tempo.train.hardware.process_group import Group
from tempo.train.run.stop_request import StopRequest

T = TypeVar("T")

Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(frames [B, N, 3, H, W] in 0..1, times [B, N], target time [B]) -> pictures [B, 3, H, W]."""

BATCH_PIXELS = 1 << 20
"""Input pixels of one evaluation batch: bounds memory, and is fixed so that the same clips meet the
same kernels in every run."""
MOST_CLIPS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """The metrics of one clip, with its source, motion, occlusion and the target's time."""

    index: int
    clip: str
    source: str
    motion: float | None
    occlusion: float | None
    values: dict[str, float]
    target_time: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A clip's metrics with its predicted picture [3, H, W], which is not clamped.

    `batch` holds the indices of the first and the last clip that were predicted together with it.
    """

    row: Row
    clip: Clip
    prediction: Tensor
    batch: tuple[int, int] = (0, 0)


class Clips(Protocol):
    """A sequence of clips, such as a split or a test set."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Clip: ...


# A published test set, or the test split of a spec. `protocol` is everything that a number on it
# means, as JSON values; `sequences` are clips whose targets follow each other in time.
class TestClips(Protocol):
    """A test set that methods can be evaluated on."""

    @property
    def name(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def protocol(self) -> dict[str, Any]: ...
    def sequences(self) -> list[range]: ...
    def without(self, ids: Collection[str], note: str) -> Self: ...
    def clip_id(self, index: int) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Clip: ...


PredictClips = Callable[[Sequence[Clip]], Tensor]
"""Clips of one size -> pictures [B, 3, H, W] on the evaluation's device."""

Broken = Callable[[int, MissingError], None]
"""Told the index of a clip that cannot be judged, and why."""


def judge(
    predict: Predictor,
    split: Clips,
    indices: Sequence[int],
    device: torch.device,
    stop: StopRequest,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> Iterator[Judged]:
    """Predict and measure the clips at `indices`, in order. Arithmetic is float32 throughout.

    Computes the `metrics` of single frames; `temporal_sequences.judge_in_time` adds the others.

    Clips of one size share a batch. Ends early when a stop was asked for; `collect` then raises.
    """
    return judge_clips(predict_clips(predict, device), split, indices, device, stop, metrics)


def predict_clips(predict: Predictor, device: torch.device) -> PredictClips:
    """Turn a predictor of tensors into one of clips, on `device`."""
    return lambda clips: predict(*_inputs(clips, device))


@torch.inference_mode()
def judge_clips(
    predict: PredictClips,
    split: Clips,
    indices: Sequence[int],
    device: torch.device,
    stop: StopRequest,
    metrics: Sequence[str],
    broken: Broken | None = None,
) -> Iterator[Judged]:
    """Predict and measure clips as `judge` does, with a predictor that takes clips.

    A clip that cannot be read is reported to `broken` and left out; without `broken` the error
    ends the evaluation."""
    for batch in _batches(split, indices, broken):
        if stop:
            return
        extent = (batch[0][0], batch[-1][0])
        for judged in _judged(predict, batch, device, metrics, broken):
            yield replace(judged, batch=extent)


def _judged(
    predict: PredictClips,
    batch: Sequence[tuple[int, Clip]],
    device: torch.device,
    metrics: Sequence[str],
    broken: Broken | None,
) -> Iterator[Judged]:
    try:
        prediction = predict([clip for _, clip in batch]).float()
    except MissingError as error:
        if broken is None:
            raise
        if len(batch) == 1:
            broken(batch[0][0], error)
            return
        for one in batch:
            yield from _judged(predict, [one], device, metrics, broken)
        return
    target = _pictures([clip.target for _, clip in batch], device)
    found = evaluate_pair(prediction, target, metrics)
    values = {name: each.tolist() for name, each in found.items()}
    for place, (index, clip) in enumerate(batch):
        row = Row(
            index=index,
            clip=clip.id,
            source=clip.source,
            motion=clip.motion,
            occlusion=clip.occlusion,
            values={name: each[place] for name, each in values.items()},
            target_time=clip.target_time,
        )
        yield Judged(row, clip, prediction[place])


def _batches(
    split: Clips, indices: Sequence[int], broken: Broken | None
) -> Iterator[list[tuple[int, Clip]]]:
    """Yield neighbouring clips of equal shapes in batches, with their indices."""
    batch: list[tuple[int, Clip]] = []
    for index in indices:
        try:
            clip = split[index]
        except MissingError as error:
            if broken is None:
                raise
            broken(index, error)
            continue
        if batch and (
            clip.frames.shape != batch[0][1].frames.shape or len(batch) == _limit(batch[0][1])
        ):
            yield batch
            batch = []
        batch.append((index, clip))
    if batch:
        yield batch


def _limit(clip: Clip) -> int:
    pixels = int(np.prod(clip.frames.shape[:3]))
    return max(1, min(MOST_CLIPS, BATCH_PIXELS // pixels))


def _inputs(clips: Sequence[Clip], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    frames = torch.from_numpy(np.stack([clip.frames for clip in clips])).to(device)
    times = torch.tensor([clip.times for clip in clips], dtype=torch.float32, device=device)
    moment = torch.tensor([clip.target_time for clip in clips], dtype=torch.float32, device=device)
    return frames.permute(0, 1, 4, 2, 3).float().div_(255), times, moment


def _pictures(stack: Sequence[Pixels], device: torch.device) -> Tensor:
    pictures = torch.from_numpy(np.stack(stack)).to(device)
    return pictures.permute(0, 3, 1, 2).float().div_(255)


def means(rows: Sequence[Row]) -> dict[str, float]:
    """Return the mean of each metric over the clips that have one, summed in the order of rows."""
    return {
        name: float(np.mean([row.values[name] for row in rows if name in row.values], dtype=float))
        for name in measured(rows)
    }


def measured(rows: Sequence[Row]) -> list[str]:
    """Return the metrics that at least one clip has a value of, in the order of tables."""
    found = {name for row in rows for name in row.values}
    return [name for name in METRICS if name in found]


def share_of(indices: Sequence[int], group: Group) -> list[int]:
    """Return the clips that this process judges; over all processes each clip occurs once."""
    return list(indices[group.rank :: group.world])


def collect(parts: Sequence[T], group: Group, stop: StopRequest) -> list[T]:
    """Gather what all processes found, in order of rank, on every process.

    Raises:
        StoppedError: on all of them when one was asked to stop and left its share unfinished.
    """
    flags = group.gather([bool(stop)])
    if any(flag for (flag,) in flags):
        stop.check()
        raise StoppedError("another process of the run was asked to stop")
    return [each for part in group.gather(parts) for each in part]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Sort rows by clip index."""
    return sorted(rows, key=lambda row: row.index)


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
    metrics: tuple[str, ...] = DEFAULT_METRICS

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
        for judged in judge(predict, self.split, mine, self.device, stop, self.metrics):
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
