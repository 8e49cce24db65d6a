"""What was sent, kept beside the records: <root>/mirror/<store>/<study>/.

    invocations/<id>.json   one execution of the study and its parent run
    invocations/<id>/       files that describe its machine
    runs/<run_id>.json      one child run and how far its records were sent

Losing this folder loses nothing: runs are found again by their tags and resent points are equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tempo.core.records import RunStatus
from tempo.records.events import decode, encode
from tempo.records.files import write_json
from tempo.track.mlflow.run_status import ShownStatus
from tempo.track.settled_events import Position


@dataclass(slots=True, kw_only=True)
class ChildState:
    """One run in one store.

    `mlflow_id` None: not created yet; `described`: hash of the spec whose params were sent;
    `evaluated`: the splits whose final figures were sent; `shown`: the status and tags it has.
    """

    mlflow_id: str | None = None
    described: str | None = None
    position: Position | None = None
    evaluated: list[str] = field(default_factory=list)
    shown: ShownStatus | None = None


@dataclass(slots=True, kw_only=True)
class InvocationState:
    """One execution of the study. `sent`: how much of it the parent run shows.

    `about` is what the caller said of it; `process` identifies who carries it out, so that a
    later one can tell whether it died.
    """

    id: str
    started: float
    about: dict[str, Any] = field(default_factory=dict)
    process: dict[str, Any] = field(default_factory=dict)
    mlflow_id: str | None = None
    ended: float | None = None
    status: str | None = None
    artifacts: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    sent: str = "nothing"


class MirrorState:
    """The folder that holds the state of one study in one store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    def environment(self, invocation_id: str) -> Path:
        """The folder of files that say what an invocation's machine had installed."""
        return self.folder / "invocations" / invocation_id / "environment"

    def _path(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{name}.json"

    def experiment(self) -> dict[str, str] | None:
        """What identifies the experiment that the rest of the state belongs to."""
        found: dict[str, str] | None = _read(self.folder / "experiment.json")
        return found

    def save_experiment(self, identity: Mapping[str, str]) -> None:
        write_json(self.folder / "experiment.json", dict(identity))

    def child(self, run_id: str) -> ChildState:
        found = _read(self._path("runs", run_id))
        if found is None:
            return ChildState()
        if found["position"]:
            found["position"] = Position(**found["position"])
        if found["shown"]:
            status = RunStatus(found["shown"].pop("status"))
            found["shown"] = ShownStatus(status=status, **found["shown"])
        return ChildState(**found)

    def save_child(self, run_id: str, state: ChildState) -> None:
        write_json(self._path("runs", run_id), asdict(state))

    def invocations(self) -> list[InvocationState]:
        """All invocations, oldest first."""
        found = [_read(path) for path in self.folder.glob("invocations/*.json")]
        states = [InvocationState(**each) for each in map(decode, found) if each]
        return sorted(states, key=lambda state: (state.started, state.id))

    def save_invocation(self, state: InvocationState) -> None:
        write_json(self._path("invocations", state.id), encode(asdict(state)))

    def forget_store(self) -> None:
        """Drop what was noted of a store that no longer exists; invocations are kept."""
        for path in self.folder.glob("runs/*.json"):
            path.unlink()
        for invocation in self.invocations():
            invocation.mlflow_id, invocation.sent = None, "nothing"
            self.save_invocation(invocation)


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None
