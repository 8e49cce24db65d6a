"""What stands beside the pictures: sound, subtitles, attachments, chapters, languages, tags."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from .video_files import RATE, SIZE, doubled, frame, make_video, packets, shown

SUBTITLES = "1\n00:00:00,100 --> 00:00:00,300\nHello\n\n2\n00:00:00,350 --> 00:00:00,450\nWorld\n"
CHAPTERS = [("One", 0, 200), ("Two", 200, 600)]


def copied(packet: Any, stream: Any) -> Any:
    """A packet for another stream."""
    new = av.Packet(bytes(packet))
    new.pts, new.dts, new.duration = packet.pts, packet.dts, packet.duration
    new.time_base, new.stream = packet.time_base, stream
    return new


def add_picture(container: Any) -> Any:
    stream = container.add_stream("libx264", rate=RATE)
    stream.height, stream.width = SIZE
    stream.pix_fmt = "yuv420p"
    return stream


def make_film(path: Path, *, shift: Fraction = Fraction(0), second: bool = False) -> Path:
    """A film with two languages, of which sound begins at `shift` seconds; Matroska also has
    subtitles and an attachment."""
    plain = make_video(path.with_name("plain.mkv"), sound="aac")
    text = path.with_name("text.srt")
    text.write_text(SUBTITLES)
    matroska = path.suffix == ".mkv"
    with (
        av.open(str(plain)) as film,
        av.open(str(text)) as words,
        av.open(str(path), "w") as container,
    ):
        sound = film.streams.audio[0]
        target: dict[str, Any] = {"picture": add_picture(container)}
        for name, language, flags in (("first", "deu", 1), ("second", "fra", 8)):
            stream = container.add_stream_from_template(sound)
            stream.metadata.update({"language": language, "title": f"{name} sound"})
            stream.disposition = flags
            target[name] = stream
        if second:
            target["other"] = add_picture(container)
        if matroska:
            target["words"] = container.add_stream_from_template(words.streams[0])
            target["words"].metadata["language"] = "eng"
            target["words"].disposition = 65
            container.add_attachment("letters.ttf", "font/ttf", b"letters")
        else:
            target["picture"].metadata["timecode"] = "01:02:03:04"
        target["picture"].metadata["language"] = "nld"
        container.metadata.update(
            {"title": "A film", "artist": "Someone", "creation_time": "2020-01-02T03:04:05Z"}
        )
        container.set_chapters([
            {"id": n, "start": start, "end": end, "time_base": Fraction(1, 1000),
             "metadata": {"title": title}}
            for n, (title, start, end) in enumerate(CHAPTERS)
        ])  # fmt: skip
        for name in ("picture", "other") if second else ("picture",):
            for number in range(6):
                picture = av.VideoFrame.from_ndarray(frame(number), format="rgb24")
                picture.pts, picture.time_base = number, Fraction(1, RATE)
                container.mux(target[name].encode(picture))
            container.mux(target[name].encode(None))
        for packet in film.demux(sound):
            for name in ("first", "second") if packet.size else ():
                new = copied(packet, target[name])
                new.pts = new.dts = packet.pts + round(shift / packet.time_base)
                container.mux(new)
        if matroska:
            for packet in words.demux():
                if packet.size:
                    container.mux(copied(packet, target["words"]))
    return path


def described(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
        return {
            "film": {key: tags.get(key) for key in ("title", "artist")},
            "made": tags.get("creation_time", "")[:19],
            "chapters": [
                (each["metadata"]["title"], round(1000 * each["start"] * each["time_base"]))
                for each in container.chapters()
            ],
            "languages": [each.language or "und" for each in container.streams.audio],
            "titles": [
                each.metadata.get("title") or each.metadata.get("name")
                for each in container.streams.audio
            ],
            "picture": container.streams.video[0].language,
            "default": [bool(each.disposition & 1) for each in container.streams.audio],
            "timecode": {k.lower(): v for k, v in container.streams.video[0].metadata.items()}.get(
                "timecode"
            ),
        }


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("kind", ["mp4", "mkv", "mov"])
def test_labels_are_what_they_were(tmp_path: Path, kind: str, suffix: str) -> None:
    source = make_film(tmp_path / f"in.{kind}")
    doubled(source, tmp_path / f"out{suffix}")
    found, expected = described(tmp_path / f"out{suffix}"), described(source)
    if kind != "mkv":
        # FFmpeg shows one digit where there are ten frames a second.
        assert expected["timecode"] == "01:02:03:4"
        expected["timecode"] = "01:02:03:08"
    quicktime = {"deu": "ger", "nld": "dut"}
    if suffix == ".mov":
        expected["languages"] = [quicktime.get(each, each) for each in expected["languages"]]
        expected["picture"] = quicktime.get(expected["picture"], expected["picture"])
    assert found["film"] == {"title": "A film", "artist": "Someone"}
    assert found["chapters"] == [(title, start) for title, start, _ in CHAPTERS]
    assert found | {"picture": None} == expected | {"picture": None}
    assert found["picture"] in (expected["picture"], "und", None)


def test_subtitles_and_attachments_are_copied_where_the_container_takes_them(
    tmp_path: Path,
) -> None:
    source = make_film(tmp_path / "in.mkv")
    assert doubled(source, tmp_path / "out.mkv") == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        (words,), (letters,) = container.streams.subtitles, container.streams.attachments
        assert (words.language, words.disposition & 65) == ("eng", 65)
        assert (letters.name, letters.data) == ("letters.ttf", b"letters")
        assert [bytes(p) for p in container.demux(words) if p.size] == [b"Hello", b"World"]
    notes = doubled(source, tmp_path / "out.mp4")
    assert [note.split(" is left out")[0] for note in notes] == [
        "the subtitle stream (eng)",
        "the attachment letters.ttf",
    ]
    assert "try .mkv" in notes[0]


def test_what_has_no_place_is_named(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv", second=True)
    notes = " / ".join(doubled(source, tmp_path / "out.mov"))
    assert "the video stream 2 is left out" in notes
    assert "of the sound stream 2 (fra) is left out: flag comment" in notes
    with (
        av.open(str(tmp_path / "plain.mkv")) as film,
        av.open(str(tmp_path / "tagged.mkv"), "w") as container,
    ):
        stream = container.add_stream_from_template(film.streams.video[0])
        container.metadata["camera_operator"] = "Somebody"
        for packet in film.demux(film.streams.video[0]):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    (note,) = doubled(tmp_path / "tagged.mkv", tmp_path / "tagged.mp4")
    assert note == "tags of the film are left out: camera_operator"
    assert doubled(tmp_path / "tagged.mkv", tmp_path / "twice.mkv") == []


def test_the_tags_of_telephones_stay(tmp_path: Path) -> None:
    tags = {"com.apple.quicktime.make": "Maker", "com.apple.quicktime.model": "Model"}
    film = make_video(tmp_path / "film.mp4")
    source = tmp_path / "in.mov"
    with (
        av.open(str(film)) as whole,
        av.open(str(source), "w", container_options={"movflags": "use_metadata_tags"}) as container,
    ):
        stream = container.add_stream_from_template(whole.streams.video[0])
        container.metadata.update(tags)
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    for suffix in (".mov", ".mp4"):
        assert doubled(source, tmp_path / f"out{suffix}") == []
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            assert tags.items() <= container.metadata.items()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("shift", [Fraction(-1, 5), Fraction(0), Fraction(3, 10)])
@pytest.mark.parametrize("kind", ["mp4", "mkv", "mov"])
def test_every_packet_of_sound_is_there_and_in_step(
    tmp_path: Path, kind: str, shift: Fraction, suffix: str
) -> None:
    source = make_film(tmp_path / f"in.{kind}", shift=shift)
    target = tmp_path / f"out{suffix}"
    doubled(source, target)
    for number in range(2):
        before, after = packets(source, number), packets(target, number)
        if kind != "mkv" and suffix == ".mkv":
            # What an edit list hides would be heard, but for what decoders need to run up.
            before = [(content, time) for content, time in before if time > Fraction(-1, 4)]
        assert [content for content, _ in after] == [content for content, _ in before] != []
        # Containers move a beginning before 0 as a whole, so times count from the first picture.
        start, moved = shown(source)[1][0], shown(target)[1][0]
        gaps = [
            (late - moved) - (soon - start)
            for (_, soon), (_, late) in zip(before, after, strict=True)
        ]
        assert max(map(abs, gaps)) <= Fraction(1, 500), gaps


@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_the_run_up_of_a_decoder_is_copied_as_one(tmp_path: Path, kind: str) -> None:
    """AAC begins with a packet before 0 that an edit list hides."""
    source = make_video(tmp_path / f"in.{kind}", sound="aac")
    assert packets(source)[0][1] < 0
    doubled(source, tmp_path / "out.mp4")
    assert packets(tmp_path / "out.mp4") == packets(source)
    with av.open(str(source)) as one, av.open(str(tmp_path / "out.mp4")) as other:
        heard = [sum(f.samples for f in each.decode(audio=0)) for each in (one, other)]
    assert heard[0] == heard[1] > 0


def hidden(path: Path) -> Iterator[bytes]:
    with av.open(str(path)) as container:
        yield from (bytes(p) for p in container.demux(audio=0) if p.size and p.is_discard)


def test_sound_that_was_trimmed_away_stays_away(tmp_path: Path) -> None:
    """An edit list that begins half a second into the sound leaves what is before for decoders."""
    times = [100 * n for n in range(20)]
    source = make_video(
        tmp_path / "in.mp4", sound="aac", times=times, encoder={"g": "1"},
        container_options={"movflags": "faststart"},
    )  # fmt: skip
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        ticks = [1 / container.streams[n].time_base for n in range(2)]
    place = 0
    for per_second in ticks:
        place = content.index(b"elst", place + 1)
        length, start = struct.unpack(">Ii", content[place + 12 : place + 20])
        new = struct.pack(">Ii", length - 1000, start + round(per_second))
        content[place + 12 : place + 20] = new
    source.write_bytes(content)
    assert len(list(hidden(source))) > 3
    doubled(source, tmp_path / "out.mkv")
    pictures, moments = shown(tmp_path / "out.mkv")
    assert len(pictures) == 20
    first = packets(tmp_path / "out.mkv")[0][1]
    assert 0 <= moments[0] - first <= Fraction(3, 10)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="FFmpeg's programs are not here")
def test_ffprobe_reads_the_same(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mkv")
    doubled(source, tmp_path / "out.mkv")

    def probe(path: Path) -> list[tuple[str, Any, Any]]:
        words = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", str(path)]
        told = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        return [
            (s["codec_type"], s.get("tags", {}).get("language"), s["disposition"]["default"])
            for s in told["streams"]
        ]

    assert probe(source) == probe(tmp_path / "out.mkv")
