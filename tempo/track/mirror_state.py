"""Store what was sent to a tracking store, beside the records: <root>/mirror/<store>/<study>/.

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

from pydantic import TypeAdapter

from tempo.ledger.port import Owner, is_dead, this_process
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

    `about` is the caller's description; `process` is the one that carries the study out, None for
    an invocation that stands for records made without a mirror.
    """

    id: str
    started: float
    about: dict[str, Any] = field(default_factory=dict)
    process: Owner | None = None
    mlflow_id: str | None = None
    ended: float | None = None
    status: str | None = None
    artifacts: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    sent: str = "nothing"

    @property
    def abandoned(self) -> bool:
        """Whether the process is known to be gone."""
        return self.process is None or is_dead(self.process)


class MirrorState:
    """The folder that holds the state of one study in one store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    def environment(self, invocation_id: str) -> Path:
        """Return the folder of files that list what an invocation's machine had installed."""
        return self.folder / "invocations" / invocation_id / "environment"

    def _path(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{name}.json"

    def experiment(self) -> dict[str, str] | None:
        """Return the identity of the experiment that the rest of the state belongs to."""
        found: dict[str, str] | None = _read(self.folder / "experiment.json")
        return found

    def save_experiment(self, identity: Mapping[str, str]) -> None:
        write_json(self.folder / "experiment.json", dict(identity))

    def child(self, run_id: str) -> ChildState:
        found = _read(self._path("runs", run_id))
        return TypeAdapter(ChildState).validate_python(found or {})

    def save_child(self, run_id: str, state: ChildState) -> None:
        write_json(self._path("runs", run_id), asdict(state))

    def invocations(self) -> list[InvocationState]:
        """List all invocations, oldest first."""
        found = [_read(path) for path in self.folder.glob("invocations/*.json")]
        states = [_invocation(each) for each in map(decode, found) if each]
        return sorted(states, key=lambda state: (state.started, state.id))

    def save_invocation(self, state: InvocationState) -> None:
        write_json(self._path("invocations", state.id), encode(asdict(state)))

    def forget_store(self) -> None:
        """Delete the state of a store that no longer exists; invocations are kept."""
        for path in self.folder.glob("runs/*.json"):
            path.unlink()
        for invocation in self.invocations():
            invocation.mlflow_id, invocation.sent = None, "nothing"
            self.save_invocation(invocation)


def _invocation(found: dict[str, Any]) -> InvocationState:
    process = found.get("process")
    if process and "born" in process:
        # Earlier versions wrote another clock's start, which cannot be compared: a process of this
        # host counts as gone, one of another host as unknown.
        this = this_process()
        space = this.space if process["host"] == this.host else ""
        found["process"] = {**process, "started": -1.0, "space": space}
    elif not process:
        found["process"] = None
    return TypeAdapter(InvocationState).validate_python(found)


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None
