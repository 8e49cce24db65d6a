"""Store what was sent to a tracking store, beside the records: <root>/mirror/<store>/<study>/.

    invocations/<id>.json   one execution of the study and its parent run
    invocations/<id>/       files that describe its machine
    runs/<run_id>.json      one child run and how far its records were sent

Losing this folder loses nothing: runs are found again by their tags and resent points are equal.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tempo.core.errors import RecordError
from tempo.core.identity import path_name
from tempo.core.records import Plan, RunStatus
from tempo.ledger.port import Owner, is_dead, this_process
from tempo.records.events import decode, encode
from tempo.records.files import is_there, read_json, write_atomic, write_json
from tempo.records.layout import Store
from tempo.records.seed_log import opened_plan
from tempo.track.mlflow.replicate_summary import as_metrics, read_runs, summarise
from tempo.track.settled_events import Position

SLACK = 1.0
"""Seconds by which clocks of two processes may differ."""

SECONDS = 20.0
"""Most seconds that nvidia-smi may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStatus:
    """As of the event at `time`; `began` is when the newest attempt began.

    `reaped`: no process carried the run out any more, and its attempt had recorded no end.
    """

    status: RunStatus
    attempt: int
    began: float
    time: float
    failure: str | None = None
    message: str = ""
    reaped: bool = False


@dataclass(slots=True, kw_only=True)
class ChildState:
    """One run in one store.

    `mlflow_id` None: not created yet; `described`: hash of the spec whose params were sent;
    `evaluated`: the splits whose final figures were sent; `test_sets`: by evaluation on a further
    set the time of the result that was sent; `shown`: the status and tags it has; `removed`: up to
    when what was removed from the records was deleted there, Unix seconds.
    """

    mlflow_id: str | None = None
    described: str | None = None
    position: Position | None = None
    evaluated: list[str] = field(default_factory=list)
    test_sets: dict[str, float] = field(default_factory=dict)
    shown: ShownStatus | None = None
    removed: float = 0.0


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
        return self.process is None or is_dead(self.process)


class MirrorState:
    """The folder that holds the state of one study in one store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, folder / "lock"

    def environment(self, invocation_id: str) -> Path:
        """Return the folder of files that list what an invocation's machine had installed."""
        return self.folder / "invocations" / path_name(invocation_id, "invocation") / "environment"

    def _path(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{path_name(name, kind)}.json"

    def experiment(self) -> dict[str, str] | None:
        """Return the identity of the experiment that the rest of the state belongs to."""
        found: dict[str, str] | None = _read(self.folder / "experiment.json")
        return found

    def save_experiment(self, identity: Mapping[str, str]) -> None:
        write_json(self.folder / "experiment.json", dict(identity))

    def child(self, run_id: str) -> ChildState:
        """Return what was sent of a run; nothing where the file is absent or damaged."""
        try:
            written = _read(self._path("runs", run_id)) or {}
            state: ChildState = _reader(ChildState).validate_python(written)
        except ValueError:
            return ChildState()
        return state

    def save_child(self, run_id: str, state: ChildState) -> None:
        write_json(self._path("runs", run_id), asdict(state))

    def invocations(self) -> list[InvocationState]:
        """List all invocations that can be read, oldest first."""
        found = [_read(path) for path in self.folder.glob("invocations/*.json")]
        states = [state for each in found if each and (state := _invocation(each))]
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


@cache
def _reader(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _invocation(written: Any) -> InvocationState | None:
    """Return the invocation that a file describes; None where it is damaged."""
    try:
        return _checked(decode(written))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _checked(found: dict[str, Any]) -> InvocationState:
    process = found["process"] = found.get("process") or None
    if process and "born" in process:
        # Earlier versions wrote another clock's start, which cannot be compared: a process of this
        # host counts as gone, one of another host as unknown.
        this = this_process()
        space = this.space if process["host"] == this.host else ""
        found["process"] = {**process, "started": -1.0, "space": space}
    state: InvocationState = _reader(InvocationState).validate_python(found)
    return state


def _read(path: Path) -> Any:
    """Read a file of the folder; None where there is none, or a damaged one: nothing is lost."""
    try:
        return read_json(path) if is_there(path) else None
    except RecordError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocations:
    """The invocations of one plan's study in one store."""

    store: Store
    plan: Plan
    state: MirrorState

    def begin(self, about: Mapping[str, Any]) -> str:
        """Record that this process carries out the study now, and return the invocation's id.

        `about` may bring its own `id` and `started` (Unix seconds).
        """
        process = this_process()
        rest = dict(about)
        started = float(rest.pop("started", time.time()))
        name = str(rest.pop("id", f"{int(started * 1000)}-{process.pid}"))
        invocation = InvocationState(id=name, started=started, about=rest, process=process)
        self.state.save_invocation(invocation)
        return invocation.id

    def end(
        self,
        invocation: InvocationState,
        status: str,
        artifacts: Sequence[Path] = (),
        metrics: Mapping[str, float] | None = None,
        at: float | None = None,
    ) -> None:
        """Record how an invocation ended and the metrics that its parent run will show."""
        invocation.ended = time.time() if at is None else at
        invocation.status = str(status)
        invocation.artifacts = tuple(str(path.resolve()) for path in artifacts)
        invocation.metrics = as_metrics(summarise(self.store, self.plan)) | dict(metrics or {})
        if invocation.sent == "end":
            # Another process took it for dead: the end that the store shows is not this one.
            invocation.sent = "start"
        self.state.save_invocation(invocation)

    def sent(self) -> list[InvocationState]:
        """List those that the store has, oldest first: another process may begin one any time."""
        return [each for each in self.state.invocations() if each.mlflow_id is not None]

    def get(self, invocation_id: str) -> InvocationState:
        return next(each for each in self.state.invocations() if each.id == invocation_id)

    def parent_at(self, moment: float) -> InvocationState:
        """Return the invocation that started an attempt at `moment`: the newest one before it, of
        those that the store has."""
        known = self.sent()
        before = [each for each in known if each.started <= moment + SLACK]
        return before[-1] if before else known[0]

    def live(self, but: str | None) -> bool:
        """Whether an invocation other than `but` may still be running."""
        unfinished = (each for each in self.state.invocations() if each.ended is None)
        return any(each.id != but and not each.abandoned for each in unfinished)

    def close_dead(self, own: str | None, *, over: bool) -> None:
        """End the invocations whose process is gone, at the time of the last event.

        With `over`, no process carries out the study: all but `own` are ended.
        """
        for each in self.state.invocations():
            if each.id != own and each.ended is None and (over or each.abandoned):
                self.end(each, self._outcome(), at=max(each.started, *self._span()))

    def supply(self) -> None:
        """Add an invocation for records that were made without a mirror."""
        if not self.state.invocations():
            started = self._span()[0]
            self.state.save_invocation(InvocationState(id="records", started=started))

    def _span(self) -> tuple[float, float]:
        """Return when the first attempt of the plan's runs began and the last event was written."""
        attempts = [a for record in read_runs(self.store, self.plan) for a in record.attempts]
        if not attempts:
            return 0.0, 0.0
        return min(a.started for a in attempts), max(a.ended for a in attempts)

    def _outcome(self) -> str:
        plan = opened_plan(self.store, self.plan)
        records = read_runs(self.store, plan)
        statuses = {record.status for record in records}
        if RunStatus.FAILED in statuses:
            return "failed"
        whole = len(records) == len(plan.distinct_runs) and statuses == {RunStatus.COMPLETE}
        return "complete" if whole else "stopped"


@cache
def installed() -> str:
    """Return the installed distributions as `name==version` lines, as `pip freeze` does."""
    # Each look at `metadata` reads the file again.
    told = [each.metadata for each in distributions()]
    found = {f"{each['Name']}=={each['Version']}" for each in told if each}
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower))


def gpu_report(program: str) -> str:
    try:
        done = subprocess.run(
            [program], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"nvidia-smi gave no answer in {SECONDS:.0f} s\n"
    return done.stdout + done.stderr


def describe(folder: Path) -> None:
    """Write `requirements.txt` and, where there is a GPU, `nvidia-smi.txt`, once."""
    if (folder / "requirements.txt").is_file():
        return
    if program := shutil.which("nvidia-smi"):
        report = gpu_report(program).encode()
        write_atomic(folder / "nvidia-smi.txt", lambda file: file.write(report))
    write_atomic(folder / "requirements.txt", lambda file: file.write(installed().encode()))
