"""Interpolate new frames between those of a video, or between two pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tempo.core.errors import MissingError
from tempo.data.clips import Pixels
from tempo.data.datasets.footage import difference
from tempo.data.video_io.picture_files import read_picture
from tempo.data.video_io.video_reader import DecodedFrame, reading
from tempo.data.video_io.video_writer import VideoWriter, check_suffix, writing
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.evaluation.kept_pictures import save_png, to_pixels

Tell = Callable[[int, int | None], None]
"""Called with frames read so far and in all, None where the file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpolationSettings:
    """How a video is interpolated.

    `factor`: output frames for each input frame; `cut`: difference (as in `tempo.spec.data.Video`)
    above which the frame before is repeated; `crf`: quality of the encoder; `allow_truncated`: use
    what there is of a video that is not whole; `views`: frames that the network is shown, as many
    before a gap as behind it.
    """

    factor: int
    cut: float
    crf: int
    allow_truncated: bool = False
    views: int = 2


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

    Chapters, titles, languages and subtitles are kept too; notes name what the target cannot hold.

    As many frames are held at a time as the network is shown, whatever the length. A frame keeps
    its time; the new ones divide the time to its successor evenly, so the result is in step with
    the sound also where the frame rate varies. `target` appears when it is whole.

    Raises:
        MissingError: when the source cannot be read to its end (unless `allow_truncated`) or has
            but one frame, or the target cannot be written.
    """
    check_suffix(target)
    if source.resolve() == target.resolve():
        raise MissingError(f"{target} is the video itself: give the result another name")
    with reading(source, allow_truncated=settings.allow_truncated) as reader:
        with writing(target, reader, settings.factor, settings.crf) as out:
            gaps = _GapWriter(predict, settings, device, out)
            for shown in reader.frames(out.copy):
                gaps.add(shown)
                tell(gaps.count, max(gaps.count, reader.info.length.frames))
            if gaps.count < 2:
                raise MissingError(
                    f"{source} has {gaps.count} frame: there is nothing between frames"
                )
            gaps.finish()
        count = gaps.count
        return InterpolatedVideo(
            read=count,
            frames=(count - 1) * settings.factor + 1,
            cuts=tuple(gaps.cuts),
            notes=(*reader.notes, *out.notes),
        )


class _GapWriter:
    """Writes each frame of a video and the new frames up to the next one.

    Of the frames that a network is shown, `settings.views`, as many lie before a gap as behind it.
    At the ends of the video and at cuts the nearest frame of the scene stands for those that are
    missing.
    """

    def __init__(
        self,
        predict: Predictor,
        settings: InterpolationSettings,
        device: torch.device,
        out: VideoWriter,
    ) -> None:
        self._predict, self._settings = predict, settings
        self._device, self._out = device, out
        self._held: deque[DecodedFrame] = deque()
        self._first = 0
        self._written = 0
        self.count = 0
        self.cuts: list[int] = []

    def add(self, frame: DecodedFrame) -> None:
        """Take the next frame, and write the gap whose frames are all here now."""
        if self._held and difference(self._held[-1], frame) > self._settings.cut:
            self.cuts.append(self.count - 1)
        self._held.append(frame)
        self.count += 1
        behind = self._settings.views - self._before
        if self.count - self._written > behind:
            self._write_gap()

    def finish(self) -> None:
        """Write what is left: the last gaps and the last frame."""
        while self._written < self.count - 1:
            self._write_gap()
        last = self._held[-1]
        self._out.write(last.pixels, last.pts * self._settings.factor)

    @property
    def _before(self) -> int:
        """How many frames before a gap are shown, the one at its start included."""
        return self._settings.views // 2

    def _write_gap(self) -> None:
        number, factor = self._written, self._settings.factor
        start, end = self._frame(number), self._frame(number + 1)
        self._out.write(start.pixels, start.pts * factor)
        times = [step / factor for step in range(1, factor)]
        held: Iterator[Pixels] = (start.pixels for _ in times)
        new = held if number in self.cuts else self._between(number, times)
        for step, pixels in enumerate(new, 1):
            self._out.write(pixels, start.pts * factor + step * (end.pts - start.pts))
        self._written += 1
        while self._first < self._written - self._before + 1:
            self._held.popleft()
            self._first += 1

    def _between(self, number: int, times: list[float]) -> Iterator[Pixels]:
        first = number - self._before + 1
        begin, end = self._scene(number)
        numbers = range(first, first + self._settings.views)
        pixels = [self._frame(min(max(each, begin), end)).pixels for each in numbers]
        return between(self._predict, pixels, times, self._device)

    def _scene(self, number: int) -> tuple[int, int]:
        """Return the first and the last frame, of those that are known, of a gap's scene."""
        begin = max((cut + 1 for cut in self.cuts if cut < number), default=0)
        end = min((cut for cut in self.cuts if cut > number), default=self.count - 1)
        return begin, end

    def _frame(self, number: int) -> DecodedFrame:
        return self._held[number - self._first]


@torch.inference_mode()
def between(
    predict: Predictor, shown: Sequence[Pixels], times: list[float], device: torch.device
) -> Iterator[Pixels]:
    """Yield the pictures at `times` (0 to 1) between the two middle ones of those that are shown.

    `shown` are uint8 [H, W, 3], evenly spaced in time.
    """
    stack = torch.from_numpy(np.stack(shown)).to(device)
    frames = stack.permute(0, 3, 1, 2).float().div_(255)[None]
    places = torch.linspace(0.0, 1.0, len(shown), device=device)[None]
    gaps = len(shown) - 1
    for time in times:
        moment = torch.tensor([(len(shown) // 2 - 1 + time) / gaps], device=device)
        yield to_pixels(predict(frames, places, moment)[0])


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
    for number, pixels in enumerate(between(predict, [start, end], times, device)):
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
