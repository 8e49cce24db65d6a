"""Interpolate new frames between those of a video, or between two pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tempo.core.errors import MissingError
from tempo.data.clips import Pixels
from tempo.data.datasets.footage import difference
from tempo.data.video_io.picture_files import read_picture
from tempo.data.video_io.video_stream import DecodedFrame, VideoWriter, reading, writing
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.evaluation.kept_pictures import save_png, to_pixels

Tell = Callable[[int, int | None], None]
"""Called with frames read so far and in all, None where the file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpolationSettings:
    """How a video is interpolated.

    `factor`: output frames for each input frame; `cut`: difference (as in `tempo.spec.data.Video`)
    above which the frame before is repeated; `crf`: quality of the encoder.
    """

    factor: int
    cut: float
    crf: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpolatedVideo:
    """Counts of frames read and written, the latter (`read` - 1) * factor + 1; `cuts` are the
    frames, counted from 0, after which the scene changes."""

    read: int
    frames: int
    cuts: tuple[int, ...]
    notes: tuple[str, ...]


def interpolate_video(
    predict: Predictor,
    source: Path,
    target: Path,
    settings: InterpolationSettings,
    device: torch.device,
    tell: Tell,
) -> InterpolatedVideo:
    """Write `source` with `settings.factor` times its frame rate to `target`, with its sound.

    Two frames are held at a time, whatever the length. A frame keeps its time; the new ones divide
    the time to its successor evenly, so the result is in step with the sound also where the frame
    rate varies. `target` appears when it is whole.

    Raises:
        MissingError: when the source cannot be read to its end or has but one frame, or the target
            cannot be written.
    """
    if source.resolve() == target.resolve():
        raise MissingError(f"{target} is the video itself: give the result another name")
    with reading(source) as reader, writing(target, reader, settings.factor, settings.crf) as out:
        between = _GapWriter(predict, settings, device)
        before: DecodedFrame | None = None
        count = 0
        for shown in reader.frames(out.copy):
            if before is not None:
                between.write(out, count - 1, before, shown)
            before, count = shown, count + 1
            tell(count, reader.info.frames)
        if before is None or count < 2:
            raise MissingError(f"{source} has {count} frame: there is nothing between frames")
        out.write(before.pixels, before.pts * settings.factor)
        return InterpolatedVideo(
            read=count,
            frames=(count - 1) * settings.factor + 1,
            cuts=tuple(between.cuts),
            notes=reader.info.notes,
        )


class _GapWriter:
    """Writes each frame of a video and the new frames up to the next one."""

    def __init__(
        self, predict: Predictor, settings: InterpolationSettings, device: torch.device
    ) -> None:
        self._predict, self._settings, self._device = predict, settings, device
        self.cuts: list[int] = []

    def write(self, out: VideoWriter, number: int, start: DecodedFrame, end: DecodedFrame) -> None:
        factor = self._settings.factor
        out.write(start.pixels, start.pts * factor)
        cut = difference(start, end) > self._settings.cut
        if cut:
            self.cuts.append(number)
        times = [step / factor for step in range(1, factor)]
        held: Iterator[Pixels] = (start.pixels for _ in times)
        new = held if cut else between(self._predict, start.pixels, end.pixels, times, self._device)
        for step, pixels in enumerate(new, 1):
            out.write(pixels, start.pts * factor + step * (end.pts - start.pts))


@torch.inference_mode()
def between(
    predict: Predictor, start: Pixels, end: Pixels, times: list[float], device: torch.device
) -> Iterator[Pixels]:
    """Yield the pictures at `times` (0 to 1) between two uint8 ones [H, W, 3]."""
    pair = torch.from_numpy(np.stack([start, end])).to(device)
    frames = pair.permute(0, 3, 1, 2).float().div_(255)[None]
    ends = torch.tensor([[0.0, 1.0]], device=device)
    for time in times:
        moment = torch.tensor([time], device=device)
        yield to_pixels(predict(frames, ends, moment)[0])


def between_pictures(
    predict: Predictor,
    pair: Sequence[Path],
    target: Path,
    count: int,
    device: torch.device,
    tell: Tell,
) -> list[Path]:
    """Write `count` pictures evenly spaced in time between two; returns their paths.

    `target` is the picture itself when it has a picture's suffix and there is one, else a folder,
    where the pictures are called by their times.

    Raises:
        MissingError: when a picture cannot be read, sizes differ, or one file is asked to hold
            several pictures.
    """
    start, end = (read_picture(path, "interpolate") for path in pair)
    if start.shape != end.shape:
        (tall, wide), (other, across) = start.shape[:2], end.shape[:2]
        raise MissingError(
            f"{pair[0]} is {wide}x{tall} and {pair[1]} {across}x{other}: they must be of one size"
        )
    times = [step / (count + 1) for step in range(1, count + 1)]
    paths = _paths(target, times)
    for number, pixels in enumerate(between(predict, start, end, times, device)):
        save_png(paths[number], pixels)
        tell(number + 1, count)
    return paths


def _paths(target: Path, times: list[float]) -> list[Path]:
    suffix = target.suffix.lower()
    if suffix and suffix != ".png":
        raise MissingError(f"pictures are written as .png, not {suffix}: {target}")
    if suffix and len(times) > 1:
        raise MissingError(f"{target} is one picture; name a folder for {len(times)} of them")
    if suffix:
        return [target]
    digits = len(str(len(times)))
    return [target / f"{number:0{digits}d}-t{time:.4f}.png" for number, time in enumerate(times, 1)]
