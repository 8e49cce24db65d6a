"""Evaluate test clips so that an interrupted evaluation can be resumed; write the clip table."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tempo.core.errors import MissingError, RecordError
from tempo.data.clips import Clip
from tempo.metrics.flow import ESTIMATE, estimate_motion
from tempo.metrics.metric_table import needs
from tempo.records.events import decode, encode
from tempo.records.files import (
    LARGE,
    inside,
    is_there,
    read_bytes,
    read_object,
    sha256_of,
    write_atomic,
    write_json,
)
from tempo.records.json_text import parse_json
from tempo.train.evaluation.clip_evaluation import (
    Clips,
    Judged,
    PredictClips,
    Row,
    judge_clips,
    measured,
)
from tempo.train.evaluation.temporal_sequences import judge_in_time, picture, surrounding
from tempo.train.run.stop_request import StopRequest

Known = dict[str, tuple[float | None, float | None]]
"""Clip id to (motion, occlusion)."""


class Motions:
    """Motion and occlusion of the clips of the split `digest`, estimated once and kept in a file of
    `folder`; None keeps nothing."""

    def __init__(self, folder: Path | None, digest: str) -> None:
        self._path = folder / f"{digest}-{ESTIMATE}.json" if folder else None
        self._known = self._read()
        self._new: Known = {}

    def describe(self, judged: Iterable[Judged]) -> Iterator[Judged]:
        """Fill in the motion and occlusion that a data set does not know."""
        try:
            for each in judged:
                yield replace(each, row=self._described(each.row, each.clip))
        finally:
            self._write()

    def _described(self, row: Row, clip: Clip) -> Row:
        if row.motion is not None and row.occlusion is not None:
            return row
        if clip.id not in self._known:
            self._known[clip.id] = self._new[clip.id] = _estimate(clip)
        motion, occlusion = self._known[clip.id]
        return replace(
            row,
            motion=motion if row.motion is None else row.motion,
            occlusion=occlusion if row.occlusion is None else row.occlusion,
        )

    def _read(self) -> Known:
        """Read the file; an absent or damaged one counts as empty, because it is only a cache."""
        try:
            given = read_object(self._path) if self._path and is_there(self._path) else {}
            return {clip: (motion, occlusion) for clip, (motion, occlusion) in given.items()}
        except (RecordError, TypeError, ValueError):
            return {}

    def _write(self) -> None:
        if self._path and self._new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Other processes of the run, or other runs, may have written in the meantime.
            write_json(self._path, self._read() | self._new)
            self._new = {}


def _estimate(clip: Clip) -> tuple[float | None, float | None]:
    before, after = (picture(clip.frames[place]) for place in surrounding(clip))
    found = estimate_motion(before, picture(clip.target), after)
    return (found.motion, found.occlusion) if found else (None, None)


Tell = Callable[[int, int], None]
"""Called with the number of clips done and of all clips."""


@dataclass(slots=True)
class ClipResults:
    """What is known of the clips judged so far, by clip index: the row of metrics, the clips that
    shared its batch (first and last index), its gallery entry, or why it cannot be judged."""

    rows: dict[int, Row] = field(default_factory=dict)
    batches: dict[int, tuple[int, int]] = field(default_factory=dict)
    gallery: dict[int, Mapping[str, str]] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of clips that need not be judged any more."""
        return len(self.rows) + len(self.broken)

    def take(self, line: Mapping[str, Any]) -> None:
        """Add the clip that a line of a resume log describes."""
        if "why" in line:
            self.broken[line["broken"]] = line["why"]
            return
        row = Row(**line["row"])
        self.rows[row.index], self.batches[row.index] = row, tuple(line["batch"])
        if line["gallery"]:
            self.gallery[row.index] = line["gallery"]


class ResumeLog:
    """The file that holds the clips an unfinished evaluation has judged, one JSON object a line.

    Its first line is the `key` of what is evaluated; a file with another key is not read. What the
    files `earlier` hold of the same evaluation is copied into the file at `path` first.
    """

    def __init__(self, path: Path, key: str, earlier: Sequence[Path] = ()) -> None:
        self._path = path
        self.results = ClipResults()
        lines = [json.dumps({"key": key})]
        for each in (*earlier, path):
            for line, value in _lines(each, key):
                self.results.take(value)
                lines.append(line)
        text = "".join(f"{line}\n" for line in lines)
        write_atomic(path, lambda file: file.write(text.encode()))

    def add(self, judged: Judged, gallery: Mapping[str, str] | None) -> None:
        """Write down a judged clip; `gallery` names its pictures when they are kept."""
        row = asdict(judged.row)
        self._append({"row": row, "batch": judged.batch, "gallery": gallery})

    def add_broken(self, index: int, why: str) -> None:
        """Write down a clip that cannot be judged."""
        self._append({"broken": index, "why": why})

    def _append(self, value: Mapping[str, Any]) -> None:
        self.results.take(value)
        with self._path.open("a") as file:
            file.write(json.dumps(encode(value)) + "\n")


def _lines(path: Path, key: str) -> Iterator[tuple[str, Any]]:
    """Yield the lines of a log with this key and what each says, up to one that is damaged or that
    a killed process left unfinished: the clips after it are judged again."""
    try:
        lines = read_bytes(path, LARGE).decode().splitlines() if is_there(path) else []
        for line in lines[1:] if lines and lines[0] == json.dumps({"key": key}) else ():
            value = decode(parse_json(line.encode()))
            ClipResults().take(value)
            yield line, value
    except (RecordError, ValueError, KeyError, TypeError):
        return


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEvaluator:
    """Judges the clips at `indices` (rising) of a test set; keeps pictures of those in `gallery`.

    `sequences` are the clips whose targets follow each other in time, `save` writes a clip's
    pictures below `folder` and returns their gallery entry. A clip that cannot be read is noted as
    broken where `skip_broken`, otherwise it ends the evaluation. Memory holds one batch and, for
    temporal metrics, two clips more.
    """

    clips: Clips
    indices: Sequence[int]
    sequences: Sequence[range]
    metrics: Sequence[str]
    motions: Motions
    device: torch.device
    gallery: Collection[int]
    folder: Path
    save: Callable[[Judged], Mapping[str, str]]
    skip_broken: bool = False

    def run(
        self,
        predict: PredictClips,
        log: ResumeLog,
        stop: StopRequest,
        tell: Tell = lambda done, total: None,
    ) -> ClipResults:
        """Judge the clips that `log` does not hold, and add them to it one by one.

        Returns early when a stop was asked for. The results are bit for bit those of an evaluation
        that nothing interrupted.
        """
        found = log.results
        self._forget_lost_pictures(found)

        def broken(index: int, error: MissingError) -> None:
            if index not in found.broken:
                log.add_broken(index, str(error))

        left = self._left(found)
        lenient = broken if self.skip_broken else None
        judged = judge_clips(predict, self.clips, left, self.device, stop, self.metrics, lenient)
        timed = judge_in_time(judged, self.sequences, self.metrics)
        for each in self.motions.describe(timed):
            if stop:
                break  # The clip after this one was not judged: temporal metrics may be wrong.
            if each.row.index not in found.rows:
                log.add(each, self.save(each) if each.row.index in self.gallery else None)
                tell(found.count, len(self.indices))
        return found

    def _forget_lost_pictures(self, found: ClipResults) -> None:
        for index in self.gallery:
            entry = found.gallery.get(index, {})
            if not _is_kept(self.folder, entry):
                found.rows.pop(index, None)

    def _left(self, found: ClipResults) -> Sequence[int]:
        """Return the clips to predict: from the start of a batch, because a clip's last bits
        depend on the clips beside it, and with the clip before in time where metrics need it."""
        known = found.rows.keys() | found.broken.keys()
        place = next((p for p, index in enumerate(self.indices) if index not in known), None)
        if place is None:
            return ()
        before = next((i for i in reversed(self.indices[:place]) if i in found.rows), None)
        if before is None:
            return self.indices
        start, last = found.batches[before]
        index = self.indices[place]
        if last < index and not self._follows(before, index):
            start = index
        return self.indices[bisect_left(self.indices, start) :]

    def _follows(self, before: int, index: int) -> bool:
        temporal = not needs(self.metrics) <= {"frame"}
        return temporal and any(before in each and index in each for each in self.sequences)


def _is_kept(folder: Path, entry: Mapping[str, str]) -> bool:
    """Tell whether the picture of a prediction is there as it was written."""
    try:
        digest = sha256_of(inside(folder, entry.get("prediction", "")))
    except RecordError:
        return False
    return digest == entry.get("prediction_sha256")


# `pyarrow.array` would import pandas, which takes 0.5 s of every run; these columns are made of the
# buffers that the Arrow format defines.
def texts(values: Sequence[str]) -> pa.Array:
    """Return a column of strings without missing values."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def numbers(values: Sequence[float | None]) -> pa.Array:
    """Return a column of float64; None becomes a missing value, which differs from NaN."""
    known = np.array([value is not None for value in values], dtype=bool)
    filled = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    bits = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(pa.float64(), len(values), [bits, pa.py_buffer(filled)])


def write_clip_table(path: Path, rows: Sequence[Row]) -> None:
    """Write a Parquet table with a row for each clip: clip, source, motion, occlusion, target_time
    (0 to 1 between the outer frames), then the metrics. What is unknown stays null."""
    columns = {
        "clip": texts([row.clip for row in rows]),
        "source": texts([row.source for row in rows]),
        "motion": numbers([row.motion for row in rows]),
        "occlusion": numbers([row.occlusion for row in rows]),
        "target_time": numbers([row.target_time for row in rows]),
    }
    for name in measured(rows):
        columns[name] = numbers([row.values.get(name) for row in rows])
    buffer = BytesIO()
    pq.write_table(pa.Table.from_arrays(list(columns.values()), list(columns)), buffer)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))
