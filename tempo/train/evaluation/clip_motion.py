"""Motion and occlusion of test clips whose data set does not know them, estimated once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tempo.data.clips import Clip
from tempo.metrics.motion import ESTIMATE, estimate_motion
from tempo.records.files import write_json
from tempo.train.evaluation.clip_evaluation import Judged, Row
from tempo.train.evaluation.temporal_sequences import picture, surrounding

Known = dict[str, tuple[float | None, float | None]]
"""Clip id to (motion, occlusion)."""


class Motions:
    """Estimates for the clips of one split, kept in a file so that later runs read them.

    Args:
        folder: of all such files; None keeps nothing.
        digest: of the split, which decides its pictures.
    """

    def __init__(self, folder: Path | None, digest: str) -> None:
        self._path = folder / f"{digest}-{ESTIMATE}.json" if folder else None
        self._known = self._read()
        self._new: Known = {}

    def describe(self, judged: Iterable[Judged]) -> Iterator[Judged]:
        """Fill in what is missing of each row; what the data set knows stays."""
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
        """A file that is not there or not whole holds nothing: it is only a memory."""
        try:
            given = json.loads(self._path.read_text()) if self._path else {}
        except (OSError, ValueError):
            return {}
        return {clip: (motion, occlusion) for clip, (motion, occlusion) in given.items()}

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
