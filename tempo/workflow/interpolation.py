"""Interpolate new frames of a video, or between two pictures, by a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import MissingError, StoppedError
from tempo.records.layout import Store, default_root
from tempo.workflow.observer import Observer, advancing, shown

if TYPE_CHECKING:
    from tempo.train.inference.interpolation import InterpolatedVideo

FACTORS = range(2, 17)
"""How many frames may be written for one. A network is told the time of each new frame."""


def interpolate_video(
    method: str,
    video: str | Path,
    output: str | Path,
    *,
    factor: int = 2,
    cut: float = 36.0,
    crf: int = 17,
    allow_truncated: bool = False,
    records: str | Path | None = None,
    observer: Observer | None = None,
    **inference: Any,
) -> InterpolatedVideo:
    """Write a video with `factor` frames for each frame of another, the sound kept.

    Subtitles, chapters, titles, languages and a timecode are kept where the container takes them;
    the result's `notes` say what is left out.

    Args:
        method: a run, checkpoint or weights file, reference, or `package.module:callable`.
        video, output: files; the output's suffix chooses the container (.mp4, .mkv, .mov, .webm).
        factor: 2 to 16; n frames become (n - 1) factor + 1.
        cut: mean luma difference (0 to 255) above which the scene is taken to change: the frame
            before is held instead of blended.
        crf: quality of the encoder, 0 (lossless) to 51.
        allow_truncated: use what can be decoded of a video that ends before its header says so, or
            that cannot be decoded to its end; otherwise it is refused.
        inference: `device`, `precision`, `tile`, `overlap`, `threads`, as for `tempo.evaluate`.

    Raises:
        MissingError: a file is not there, is no video or is truncated; a value is out of range.
        StoppedError: stopped on request; nothing is left of the output.

    >>> import tempo
    >>> tempo.interpolate_video("average", "clip.mp4", "twice.mp4", factor=2).frames
    9
    """
    from tempo.train.inference.interpolation import InterpolationSettings
    from tempo.train.inference.interpolation import interpolate_video as write

    if not FACTORS[0] <= factor <= FACTORS[-1]:
        raise MissingError(
            f"--x is a whole number from {FACTORS[0]} to {FACTORS[-1]}, not {factor}"
        )
    if not 0 <= crf <= 51:
        raise MissingError(f"--crf is from 0 to 51, not {crf}")
    with (
        _predicting(method, records, output, inference) as (predict, device, views),
        advancing(shown(observer), Path(video).name, "frames") as advance,
    ):
        settings = InterpolationSettings(
            factor=factor, cut=cut, crf=crf, allow_truncated=allow_truncated, views=views
        )
        return write(predict, Path(video), Path(output), settings, device, advance)


def interpolate_pictures(
    method: str,
    pictures: Sequence[str | Path],
    output: str | Path,
    *,
    count: int = 1,
    records: str | Path | None = None,
    observer: Observer | None = None,
    **inference: Any,
) -> list[Path]:
    """Write `count` pictures, evenly spaced in time, between two pictures of one size.

    `output` is a picture for one, or a folder for several; see `interpolate_video` for the rest.

    >>> import tempo
    >>> [path.name for path in tempo.interpolate_pictures("average", ["a.png", "b.png"], "m.png")]
    ['m.png']
    """
    from tempo.train.inference.interpolation import between_pictures

    with (
        _predicting(method, records, output, inference) as (predict, device, _),
        advancing(shown(observer), "between", "pictures") as advance,
    ):
        ends = [Path(each) for each in pictures]
        return list(between_pictures(predict, ends, Path(output), count, device, advance))


@contextmanager
def _predicting(
    method: str, records: str | Path | None, output: str | Path, inference: dict[str, Any]
) -> Iterator[tuple[Any, Any, int]]:
    """The predictor of a method, its device and the frames it is shown of a video, an even number,
    while a request to stop ends this at once."""
    from tempo.train.inference.network_inference import make_inference
    from tempo.train.run.stop_request import listening
    from tempo.workflow.names import find_method

    found = find_method(method, Store(default_root() if records is None else Path(records)))
    try:
        with listening() as stop, stop.at_once():
            network = make_inference(**inference)
            yield network.predictor(found), network.device, max(2, found.views // 2 * 2)
    except StoppedError as stopped:
        raise StoppedError(f"stopped; {output} was not finished") from stopped
