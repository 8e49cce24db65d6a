"""Folders of pictures and videos with hostile files in them: each is named, the rest is read."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tempo.core.errors import MissingError
from tempo.data.datasets import video
from tempo.data.open_dataset import prepare
from tempo.data.video_io.picture_files import natural, read_picture
from tempo.spec.data import Frames, Video
from tests.moving_noise import picture, sequence

SIZE = (32, 48)


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its few bytes do not hold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _bytes_named(path: Path) -> None:
    content = (path.parent / "000.png").read_bytes()
    Path(os.fsdecode(os.fsencode(path.parent) + b"/\xff\xfe.png")).write_bytes(content)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "is a folder"),
    "a named pipe": (os.mkfifo, "is no regular file"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "leads nowhere"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "leads nowhere"),
    "a name that is no UTF-8": (_bytes_named, "has a name that is no UTF-8"),
}

NO_PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a decompression bomb": (lambda path: path.write_bytes(png_of(60_000, 60_000)), "pixels"),
    "a large claim": (lambda path: path.write_bytes(png_of(9_000, 9_000)), "9000 x 9000 pixels"),
    "a strip": (lambda path: Image.new("RGB", (1, 100_000)).save(path), "is a strip of 1 x 100000"),
    "16 bits": (
        lambda path: Image.fromarray(np.zeros((64, 96), np.uint16)).save(path),
        "more than 8 bits",
    ),
    "half a file": (
        lambda path: path.write_bytes((path.parent / "000.png").read_bytes()[:900]),
        "cannot read",
    ),
    "text": (lambda path: path.write_text("no picture"), "is not an image"),
    "nothing": (lambda path: path.write_bytes(b""), "is not an image"),
}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in "abcd":
        sequence(tmp_path / "pictures" / name, frames=7)
    return tmp_path / "pictures"


def notes_of(folders: Path, cache: Path) -> list[str]:
    options = Frames(root=str(folders), size=SIZE, every=1, cut=255.0)
    opened = prepare(options, cache)
    assert sum(map(len, opened.values())) >= 12
    return list(dict.fromkeys(note for split in opened.values() for note in split.notes))


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_left_out_and_named(kind: str, folders: Path, tmp_path: Path) -> None:
    make, said = NO_FILES[kind]
    make(folders / "a" / "100.png")
    (note,) = notes_of(folders, tmp_path / "cache")
    assert said in note and note.isprintable()


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_is_no_picture_is_left_out_and_named(kind: str, folders: Path, tmp_path: Path) -> None:
    make, said = NO_PICTURES[kind]
    make(folders / "a" / "100.png")
    (note,) = notes_of(folders, tmp_path / "cache")
    assert said in note and "100.png" in note


@pytest.mark.parametrize("name", ["²", "1²3", "①", "٣", "n" * 251])
def test_strange_names_are_sorted_and_read(name: str, folders: Path, tmp_path: Path) -> None:
    picture(7).save(folders / "a" / f"{name}.png")
    assert notes_of(folders, tmp_path / "cache") == []
    assert natural(name) < natural(f"{name}x")


def test_a_folder_without_any_file_says_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "pictures" / "a.png").mkdir(parents=True)
    with pytest.raises(MissingError, match="no folder of pictures under") as caught:
        prepare(Frames(root=str(tmp_path / "pictures"), size=SIZE), tmp_path / "cache")
    assert "a.png is a folder" in str(caught.value)


def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    upright = picture(0)
    exif = Image.Exif()
    exif[0x0112] = 6  # To be shown turned by a quarter to the right.
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "turned.png", "test"), np.asarray(upright))


def film(path: Path, frames: int = 40) -> Path:
    """Write a film whose index comes first, so that one that is cut off can be opened."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 96, 64
        for number in range(frames):
            frame = av.VideoFrame.from_image(picture(number % 30))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_film_that_is_cut_off_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for name in "abc":
        film(folder / f"{name}.mp4")
    whole = (folder / "a.mp4").read_bytes()
    (folder / "a.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    options = Video(root=str(folder), size=SIZE, every=1, cut=255.0)
    notes = [n for split in prepare(options, tmp_path / "cache").values() for n in split.notes]
    (note,) = notes
    assert note.startswith("a.mp4: ")
    assert "of 40 in its header" in note or "cannot be decoded to its end" in note


def test_what_is_called_a_film_and_is_no_file_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for name in "abc":
        film(folder / f"{name}.mp4")
    os.mkfifo(folder / "pipe.mp4")
    (folder / "link.mkv").symlink_to("nowhere")
    found, _ = video.find_files(Video(root=str(folder)))
    assert sorted(found) == ["a.mp4", "b.mp4", "c.mp4"]
