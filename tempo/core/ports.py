"""What the study needs from the world outside, as protocols. Each has several implementations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tempo.core.records import Plan


class Tracker(Protocol):
    """Shows a study to people elsewhere. A mirror of the records, which may lag or be down.

    No method raises because the other side is unreachable: `problem` says what is wrong, and what
    was missed is sent later. Only `sync` and `finish` may take long; `open` touches no network.
    """

    @property
    def uri(self) -> str:
        """Where people find the study, without credentials."""

    @property
    def problem(self) -> str | None:
        """Why the mirror is behind the records, or None."""

    def open(self, plan: Plan, invocation: Mapping[str, Any] | None) -> None:
        """Mirror `plan` from now on.

        `invocation` describes this execution of the study (git commit, profile, versions); None
        completes what earlier invocations left behind without adding one.
        """

    def start(self) -> None:
        """Begin to mirror in a background thread."""

    def stop(self, timeout: float) -> None:
        """End the background thread; give up waiting for it after `timeout` seconds."""

    def sync(self, *, over: bool | None = None) -> bool:
        """Mirror once what the records hold and no resumed attempt can supersede any more.

        `over` says whether nobody carries out the plan now: then what is unfinished was killed.
        None finds out. Returns whether everything was sent.
        """

    def finish(self, status: str, artifacts: Sequence[Path], metrics: Mapping[str, float]) -> bool:
        """Close the invocation with its reports and study-level metrics, after a last sync."""
