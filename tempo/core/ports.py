"""Define the tracker protocol, which MLflow and Weights & Biases implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tempo.core.records import Plan


class Tracker(Protocol):
    """Mirrors a study's records into a tracking store, which may lag or be unreachable.

    No method raises because the other side is unreachable: `problem` says what is wrong, and what
    was missed is sent later. Only `sync` and `finish` may take long; `open` touches no network.
    """

    @property
    def uri(self) -> str:
        """The address of the study in the store, without credentials."""

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

        `over` says whether no process carries out the plan now: then what is unfinished was killed.
        None finds out. Returns whether everything was sent.
        """

    def finish(self, status: str, artifacts: Sequence[Path], metrics: Mapping[str, float]) -> bool:
        """Close the invocation with its reports and study-level metrics, after a last sync."""
