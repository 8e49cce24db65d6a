"""What a video stream is, as far as it matters to clips taken from it."""

from __future__ import annotations

from collections.abc import Iterator

from av.video.frame import VideoFrame

TRANSFERS = {16: "PQ (SMPTE 2084)", 18: "HLG (ARIB STD-B67)"}
"""Transfer characteristics (ITU-T H.273) of high dynamic range."""

STEADY = 1.5
"""The longest distance of two frames may be this many times the shortest. Timestamps in whole
milliseconds at 60 frames a second reach 1.06."""


class StreamFacts:
    """Gathers facts frame by frame; `notes` says those that a user of the clips must know."""

    def __init__(self) -> None:
        self.frames = 0
        self.interlaced = 0
        self.untimed = 0
        self.shortest = float("inf")
        self.longest = 0.0
        self.backwards = 0
        self.rotation = 0
        self.bits = 8
        self.form = ""
        self.transfer: int = 0
        self._time: float | None = None

    def see(self, frame: VideoFrame) -> None:
        """Take one frame into account, in order of presentation."""
        self.frames += 1
        self.interlaced += bool(frame.interlaced_frame)
        self.rotation = frame.rotation or self.rotation
        self.bits = max(self.bits, *(part.bits for part in frame.format.components))
        self.form = frame.format.name
        self.transfer = int(frame.color_trc or 0)
        if frame.time is None:
            self.untimed += 1
            return
        if self._time is not None:
            gap = frame.time - self._time
            self.backwards += gap <= 0
            self.shortest, self.longest = min(self.shortest, gap), max(self.longest, gap)
        self._time = frame.time

    def notes(self) -> Iterator[tuple[str, str]]:
        """(kind, sentence) of everything out of the ordinary."""
        if self.frames and self.frames < 3:
            yield "short", f"{self.frames} frames, and a clip needs at least 3"
        if self.rotation:
            turned = "turned upright" if self.rotation % 90 == 0 else "not turned: no quarter turn"
            yield "rotated", f"its metadata turn it by {self.rotation} degrees; {turned}"
        if self.bits > 8:
            yield "high bit depth", f"{self.form} has {self.bits} bits, brought to 8"
        if self.transfer in TRANSFERS:
            told = TRANSFERS[self.transfer]
            yield "HDR", f"{told} brought to 8 bits as it is, without tone mapping"
        if self.interlaced:
            told = f"{self.interlaced} of {self.frames} frames"
            yield "interlaced", f"{told} are interlaced and used as they are: expect combs"
        if self.untimed:
            yield "untimed", f"{self.untimed} frames have no timestamp: taken as evenly spaced"
        elif self.backwards:
            yield "unordered", f"timestamps do not rise at {self.backwards} frames"
        elif self.longest > STEADY * self.shortest:
            told = f"{1000 * self.shortest:.1f} to {1000 * self.longest:.1f} ms"
            yield "variable rate", f"frames are {told} apart; times are by timestamp"
