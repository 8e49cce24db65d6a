"""`tempo interpolate` as a user calls it: a network's file, a video with sound, two pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tempo.cli.main import main
from tempo.core.errors import MissingError
from tempo.workflow.interpolation import interpolate_pictures, interpolate_video

from .conftest import ROOT

FRAMES = 5


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tempo.models.family import build_model
    from tempo.models.weight_files import save_weights
    from tempo.spec.arch import ArchSpec

    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    arch = ArchSpec.model_validate({"base_channels": 4, "blocks": [0, 0, 1, 1]})
    save_weights(path, build_model(arch, 0))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Moving stripes with a tone."""
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        sound = container.add_stream("aac", rate=8000)
        across = np.arange(48)
        for number in range(FRAMES):
            row = (128 + 80 * np.sin((across + number) / 5)).astype(np.uint8)
            pixels = np.broadcast_to(row[None, :, None], (32, 48, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for start in range(0, 4096, 1024):
            wave = np.sin(np.arange(start, start + 1024) / 9).astype(np.float32)
            part = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            part.sample_rate, part.pts, part.time_base = 8000, start, Fraction(1, 8000)
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    return path


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(each) for each in container.demux(container.streams.audio) if each.size]


def test_a_network_makes_a_video_with_its_sound(weights: Path, video: Path) -> None:
    target = video.with_name("out.mp4")
    done = subprocess.run(
        [sys.executable, "-m", "tempo.cli.main", "interpolate", str(weights), "--video",
         str(video), "--x", "4", "-o", str(target), "--device", "cpu", "--threads", "1"],
        cwd=video.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"out.mp4: {4 * (FRAMES - 1) + 1} frames from {FRAMES}" in done.stdout
    with av.open(str(target)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [Fraction(n, 40) for n in range(4 * (FRAMES - 1) + 1)]
    assert packets(target) == packets(video) != []


def test_pictures_between_two(weights: Path, tmp_path: Path) -> None:
    pair = [str(tmp_path / name) for name in ("a.png", "b.png")]
    for path, level in zip(pair, (40, 80), strict=True):
        Image.fromarray(np.full((30, 50, 3), level, np.uint8)).save(path)
    words = ["interpolate", str(weights), "--between", *pair, "--device", "cpu", "--threads", "1"]
    assert main([*words, "-n", "3", "-o", str(tmp_path / "frames")]) == 0
    found = sorted((tmp_path / "frames").iterdir())
    # A network that was not trained starts as a blend of its inputs, nearer to the nearer one.
    levels = [np.asarray(Image.open(path)).mean() for path in found]
    assert 40 < levels[0] < levels[1] == 60 < levels[2] < 80
    tiled = ["-o", str(tmp_path / "m.png"), "--tile", "64"]
    assert main([*words, *tiled]) == 0
    assert np.asarray(Image.open(tmp_path / "m.png")).mean() == 60


@pytest.fixture
def truncated(video: Path) -> Path:
    """The first part of a film whose header comes first."""
    path = video.with_name("cut.mp4")
    with (
        av.open(str(video)) as whole,
        av.open(str(path), "w", container_options={"movflags": "faststart"}) as container,
    ):
        pairs = {each: container.add_stream_from_template(each) for each in whole.streams}
        for packet in whole.demux():
            if packet.size:
                packet.stream = pairs[packet.stream]
                container.mux(packet)
    with av.open(str(path)) as container:
        place = [packet.pos for packet in container.demux(video=0) if packet.size][3]
    path.write_bytes(path.read_bytes()[:place])
    return path


def test_a_video_that_breaks_off_is_refused_or_used_as_far_as_it_goes(
    truncated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = truncated.with_name("out.mkv")
    words = ["interpolate", "average", "--video", str(truncated), "-o", str(target)]
    options = ["--device", "cpu", "--threads", "1"]
    before = sorted(truncated.parent.iterdir())
    assert main([*words, *options]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "breaks off: " in error and "--allow-truncated" in error
    assert sorted(truncated.parent.iterdir()) == before
    with pytest.raises(MissingError, match="allow_truncated=True"):
        interpolate_video("average", truncated, target, device="cpu", threads=1)
    assert main([*words, *options, "--allow-truncated"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "note: the source breaks off: " in said
    done = interpolate_video(
        "average", truncated, target, device="cpu", threads=1, allow_truncated=True
    )
    assert 2 <= done.read < FRAMES and any("breaks off" in note for note in done.notes)


@pytest.mark.parametrize("factor", [3, 5, 16])
def test_any_whole_number_of_frames(weights: Path, video: Path, factor: int) -> None:
    target = video.with_name("out.mkv")
    done = interpolate_video(str(weights), video, target, factor=factor, device="cpu", threads=1)
    assert done.frames == factor * (FRAMES - 1) + 1
    with av.open(str(target)) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    # Matroska begins with the sound, which begins before the film.
    found = [time - times[0] for time in times]
    assert found == pytest.approx([n / (10 * factor) for n in range(done.frames)], abs=2e-3)


def test_pictures_between_two_are_turned_as_their_exif_says(tmp_path: Path) -> None:
    pair = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    stored = np.zeros((24, 40, 3), np.uint8)
    stored[:, :20] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by a quarter, clockwise, when it is shown.
    for path in pair:
        Image.fromarray(stored).save(path, exif=exif, quality=95)
    interpolate_pictures("average", pair, tmp_path / "m.png", device="cpu", threads=1)
    shown = np.asarray(Image.open(tmp_path / "m.png")).astype(int)
    assert shown.shape == (40, 24, 3)
    assert shown[:16].mean() > 190 and shown[24:].mean() < 10


def test_deep_pictures_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((24, 40), 60000, np.uint16)).save(tmp_path / name)
    pair = [tmp_path / "a.png", tmp_path / "b.png"]
    with pytest.raises(MissingError, match="more than 8 bits a channel"):
        interpolate_pictures("average", pair, tmp_path / "m.png", device="cpu", threads=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["average", "--between", "a.png", "b.png", "--x", "2", "-o", "m.png"],
            "--x needs --video",
        ),
        (["average", "--video", "in.mp4", "-n", "3", "-o", "o.mp4"], "-n needs --between"),
        (
            ["average", "--between", "a.png", "b.png", "--allow-truncated", "-o", "m.png"],
            "--allow-truncated needs --video",
        ),
        (["average", "--video", "no.mp4", "-o", "o.mp4"], "cannot read the video no.mp4"),
        (["average", "--video", ".", "-o", "o.mp4"], "it is no regular file"),
        (["average", "--video", "no.mp4", "-o", "o.gif"], "write a video and convert it"),
        (
            ["average", "--video", "no.mp4", "-o", "o.mp4", "--x", "1"],
            "--x is a whole number from 2 to 16, not 1",
        ),
        (
            ["average", "--video", "no.mp4", "-o", "o.mp4", "--x", "17"],
            "--x is a whole number from 2 to 16, not 17",
        ),
        (["average", "--video", "no.mp4", "-o", "o.mp4", "--crf", "60"], "--crf is from 0 to 51"),
        (["nothing", "--video", "no.mp4", "-o", "o.mp4"], "nothing is called 'nothing'"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["interpolate", *words, "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error
    assert not list(tmp_path.iterdir())
