"""An observer that keeps what a study says."""

from __future__ import annotations

import tempo


class Heard(tempo.SilentObserver):
    """Keeps every sentence in `said`."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)
