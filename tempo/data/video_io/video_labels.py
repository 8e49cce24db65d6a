"""Carry titles, languages, flags, chapters and other tags from one video to another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

FILE_KEYS = frozenset(
    ("bps", "compatible_brands", "duration", "encoder", "filename", "handler_name", "language",
     "major_brand", "mimetype", "minor_version", "number_of_bytes", "number_of_frames", "rotate",
     "timecode", "vendor_id")
)  # fmt: skip
"""Tags that describe the file that they stand in, or that are carried in another way."""

APPLE, ANDROID = "com.apple.quicktime.", "com.android."
"""How the tags of telephones begin, which MP4 and MOV keep in a list of their own."""

QUICKTIME_LANGUAGES = {
    "deu": "ger", "ell": "gre", "isl": "ice", "nld": "dut", "swe": "sve", "zho": "chi",
}  # fmt: skip
"""ISO 639-2 languages that FFmpeg knows by another name when it writes MOV."""

MOST_RATE = 255
"""Frames a second that the timecode of a file can count, one byte."""

FLAGS = (
    Disposition.default | Disposition.forced | Disposition.comment | Disposition.original
    | Disposition.dub | Disposition.hearing_impaired | Disposition.visual_impaired
    | Disposition.lyrics | Disposition.karaoke | Disposition.captions | Disposition.descriptions
)  # fmt: skip
"""What a stream says of its purpose, that is no part of how it is stored."""

_TIMECODE = re.compile(r"(\d+:\d\d:\d\d[:;.,])(\d+)")


def name_of(stream: Stream) -> str:
    """Return what a stream is called in notes, such as "sound stream 2 (fra)"."""
    if stream.type == "attachment":
        return f"attachment {stream.name}"
    kinds = {"video": "video", "audio": "sound", "subtitle": "subtitle", "data": "data"}
    kind = kinds.get(stream.type, stream.type)
    same = [each for each in stream.container.streams if each.type == stream.type]
    number = f" {same.index(stream) + 1}" if len(same) > 1 else ""
    return f"{kind} stream{number}" + (f" ({stream.language})" if stream.language else "")


def tags(metadata: dict[str, str]) -> dict[str, str]:
    """Return the tags that say something of the film, by name in lower case."""
    found = {key.lower(): value for key, value in metadata.items()}
    if "name" in found:
        # MP4 and MOV are written with the title of a stream as `title`, and read with it as `name`.
        found.setdefault("title", found.pop("name"))
    return {key: value for key, value in found.items() if not _of_file(key, found)}


def _of_file(key: str, found: dict[str, str]) -> bool:
    """Tell whether a tag is about the file, or says in one language what another says in all."""
    plain = re.sub(r"-[a-z]{3}$", "", key)
    repeated = plain != key and plain in found
    return repeated or key.startswith("_statistics") or plain in FILE_KEYS


def label_film(target: OutputContainer, source: InputContainer) -> None:
    """Give a film the tags and chapters of another, before anything is written."""
    target.metadata.update(tags(source.metadata))
    if chapters := source.chapters():
        target.set_chapters(chapters)


def label_stream(target: Stream, source: Stream) -> None:
    """Give a stream the tags, language and flags of another, before anything is written."""
    target.metadata.update(tags(source.metadata))
    language = source.language
    if language and language != "und":
        quicktime = target.container.format.name == "mov"
        target.metadata["language"] = (
            QUICKTIME_LANGUAGES.get(language, language) if quicktime else language
        )
    target.disposition = source.disposition & FLAGS


def timecode(source: InputContainer, picture: Stream, factor: int, rate: Fraction) -> str | None:
    """Return the timecode of the first frame where there are `factor` times the frames.

    Its last number counts frames, so it is multiplied. None where there is no timecode or the new
    `rate` cannot be counted.
    """
    found = _TIMECODE.fullmatch(_own_timecode(source, picture) or "")
    if found is None or rate > MOST_RATE:
        return None
    return f"{found[1]}{int(found[2]) * factor:02d}"


def _own_timecode(source: InputContainer, picture: Stream) -> str | None:
    for metadata in (picture.metadata, source.metadata):
        for key, value in metadata.items():
            if key.lower() == "timecode":
                return value
    return None


def lost_labels(
    source: InputContainer, target: InputContainer, pairs: Sequence[tuple[Stream, Stream]]
) -> Iterator[str]:
    """Yield a sentence for each kind of label that stands in one film and not in its copy.

    `pairs` are the streams of both, that of the pictures first. A container drops what it has no
    place for without a word.
    """
    gone = sorted(tags(source.metadata).keys() - tags(target.metadata).keys())
    if gone:
        yield f"tags of the film are left out: {', '.join(gone)}"
    before, after = len(source.chapters()), len(target.chapters())
    if after < before:
        yield f"{before - after} of {before} chapters are left out"
    picture, written = pairs[0]
    if _own_timecode(source, picture) and not _own_timecode(target, written):
        yield "the timecode is left out"
    for one, new in pairs:
        missing = list(_lost(one, new))
        if missing:
            yield f"of the {name_of(one)} is left out: {', '.join(missing)}"


def _lost(one: Stream, new: Stream) -> Iterator[str]:
    language = one.language or "und"
    if language != "und" and new.language not in (language, QUICKTIME_LANGUAGES.get(language)):
        yield f"language {language}"
    ignored = {"creation_time"}
    yield from sorted(tags(one.metadata).keys() - tags(new.metadata).keys() - ignored)
    for flag in one.disposition & FLAGS & ~new.disposition:
        yield f"flag {flag.name}"
