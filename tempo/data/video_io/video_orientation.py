"""Turn and mirror the pictures of a video as its display matrix says they are shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from tempo.data.clips import Pixels

ASKEW = 0.02
"""A matrix is a quarter turn or a mirror when its other elements are below this part of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """Hold how stored pictures become upright: rows and columns exchanged first, then mirrored.

    `note` says so in a sentence, None where pictures are stored as they are shown.
    """

    exchanged: bool = False
    mirrored_rows: bool = False
    mirrored_columns: bool = False
    note: str | None = None

    def upright(self, pixels: Pixels) -> Pixels:
        """Return the picture [H, W, 3] as it is shown."""
        turned = pixels.swapaxes(0, 1) if self.exchanged else pixels
        rows = slice(None, None, -1 if self.mirrored_rows else 1)
        columns = slice(None, None, -1 if self.mirrored_columns else 1)
        return np.ascontiguousarray(turned[rows, columns])

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) of pictures as they are shown."""
        return (width, height) if self.exchanged else (height, width)


STORED = Orientation()
"""Pictures are stored as they are shown."""


def orientation(frame: VideoFrame) -> Orientation:
    """Return how a frame is shown, by the first two rows and columns of its display matrix.

    A stored place (column, row) is shown at (a column + c row, b column + d row). The eight
    quarter turns and mirrors are followed; any other angle is left out, and the note says so.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return STORED
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float)
    along, across = max(abs(a), abs(d)), max(abs(b), abs(c))
    whole, rest = max(along, across), min(along, across)
    if rest > ASKEW * whole or whole == 0:
        angle = round(math.degrees(math.atan2(-b, a))) if whole else 0
        return Orientation(
            note=f"the source is shown turned by {angle} degrees, which is no quarter turn: its "
            "pictures are taken as they are stored"
        )
    if across > along:
        exchanged, rows, columns = True, b < 0, c < 0
        mirror = (b < 0) == (c < 0)
        angle = 90 if b < 0 else 270
    else:
        exchanged, rows, columns = False, d < 0, a < 0
        mirror = rows != columns
        angle = 180 if rows and columns else 0
    if mirror:
        note = "the source is shown mirrored; its pictures are taken as they are shown"
    elif angle:
        note = f"the source is turned by {angle} degrees; its pictures are taken upright"
    else:
        return STORED
    return Orientation(exchanged=exchanged, mirrored_rows=rows, mirrored_columns=columns, note=note)
