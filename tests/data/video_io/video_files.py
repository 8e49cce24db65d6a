"""Write small videos for tests: any codec and container, with sound and display matrices."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tempo.data.video_io.video_reader import reading
from tempo.data.video_io.video_writer import writing

SIZE = (36, 64)
RATE = 10
SOUND_RATES = {"libopus": 48000, "aac": 8000, "ac3": 48000}


def frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A smooth picture that moves: what a codec keeps well."""
    down, across = np.mgrid[: size[0], : size[1]]
    wave = 128 + 60 * np.sin((across + 2 * number) / 9) * np.cos(down / 7)
    return np.stack([wave, np.roll(wave, 5, 1), 255 - wave], -1).astype(np.uint8)


def make_video(
    path: Path,
    *,
    times: list[int] | None = None,
    sound: str | None = None,
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    layout: str = "yuv420p",
    options: dict[str, Any] | None = None,
    encoder: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    turn: tuple[float, bool, bool] | None = None,
    matrix: Sequence[int] | None = None,
) -> Path:
    """A small file; `times` are in thousandths of a second, `sound` is a codec."""
    times = times or [100 * n for n in range(6)]
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        quality = {"crf": "12"} if codec.startswith("libx264") else {}
        stream = container.add_stream(codec, rate=RATE, options=quality | (encoder or {}))
        stream.height, stream.width = size
        stream.pix_fmt = layout
        stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in (options or {}).items():
            setattr(stream.codec_context, name, value)
        if turn:
            stream.set_display_rotation(*turn)
        if matrix:
            stream.set_display_matrix(matrix)
        audio = container.add_stream(sound, rate=SOUND_RATES[sound]) if sound else None
        tones = _tone(audio, times[-1] / 1000) if audio is not None else iter(())
        ready = next(tones, None)
        for number, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(frame(number, size), format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
            while ready is not None and ready.time <= time / 1000:
                container.mux(audio.encode(ready))
                ready = next(tones, None)
        container.mux(stream.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


def _tone(stream: Any, seconds: float) -> Any:
    """The sound of a clip, in parts as long as the encoder takes them."""
    rate, part = stream.codec_context.sample_rate, 960
    channels = 2
    wave = np.sin(np.arange(int(rate * seconds)) / 8).astype(np.float32)
    for start in range(0, len(wave) - part, part):
        piece = wave[start : start + part]
        if stream.codec_context.format.is_planar:
            values = np.stack([piece] * channels)
        else:
            values = np.repeat(piece, channels)[None]
        name = stream.codec_context.format.name
        if "s16" in name:
            values = (values * 20000).astype(np.int16)
        made = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(values), format=name, layout="stereo"
        )
        made.sample_rate, made.pts, made.time_base = rate, start, Fraction(1, rate)
        yield made


def shown(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    """The pictures of a file and their times in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return (
            [each.to_ndarray(format="rgb24") for each in frames],
            [each.pts * each.time_base for each in frames],
        )


def packets(path: Path, number: int = 0) -> list[tuple[bytes, Fraction]]:
    """The packets of a stream of sound and their times in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        return [(bytes(p), p.pts * p.time_base) for p in container.demux(stream) if p.size]


def doubled(source: Path, target: Path, *, allow_truncated: bool = False) -> list[str]:
    """Every frame twice: reading and writing without a network; returns the notes."""
    with reading(source, allow_truncated=allow_truncated) as reader:
        with writing(target, reader, 2, 12) as out:
            for each in reader.frames(out.copy):
                out.write(each.pixels, 2 * each.pts)
                out.write(each.pixels, 2 * each.pts + 1)
        return [*reader.notes, *out.notes]


def cut_off(path: Path, share: float) -> Path:
    """The first part of a file, beside it."""
    whole = path.read_bytes()
    target = path.with_name(f"cut_{path.name}")
    target.write_bytes(whole[: int(len(whole) * share)])
    return target
