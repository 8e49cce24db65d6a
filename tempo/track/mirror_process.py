"""Run the MLflow mirror in a child process: MLflow is imported beside the checks, its database made
beside the training, and the report is drawn while the last runs are sent.

Both sides speak JSON, a line a message. The parent never waits but in `finish` and `stop`, and the
process leaves when its parent does, however that ends. A process that was killed is started again
when it is next needed: what it sent is in the store, what it did not is in the records.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from tempo.core.records import Plan
from tempo.core.redaction import redacted
from tempo.core.startup import loading
from tempo.records.layout import Store
from tempo.spec.user.notify import Notify
from tempo.track.mlflow.client import adopt, prepare
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.mlflow.run_content import Limits
from tempo.track.notices.message import Message
from tempo.track.notices.outbox import Postman, put
from tempo.track.store_address import default_uri

NICENESS = 10
PREFIX = "tempo-mirror-"
"""How the temporary folder of a mirror is called, before the id of the process that made it."""
FAREWELL = 6.0
"""Seconds that messages may take to be delivered once the parent asks no more; what is left is kept
for the next study. Less than `stop` waits."""
LAST_WORDS = 300
"""Characters of a dead process's error output that are reported."""


class MirrorProcess:
    """A Tracker that forwards every request to an MlflowMirror in a child process.

    Args:
        argv: the command that calls `serve`.
        checkpoint_mib: size up to which checkpoints are sent; see Limits.
    """

    def __init__(
        self, store: Store, uri: str | None, argv: Sequence[str], *, checkpoint_mib: float = 0.0
    ) -> None:
        self._store, self._argv, self._checkpoint_mib = store, list(argv), checkpoint_mib
        self._uri = uri or default_uri(store.root)
        self._opening: dict[str, Any] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[bytes] | None = None
        self._folder: Path | None = None
        self._begun = self._opened = False
        self.problem: str | None = None
        self.experiment_id: str | None = None

    @property
    def uri(self) -> str:
        """The store's address without credentials."""
        return redacted(self._uri)

    def warm(self) -> None:
        """Start the process, which imports MLflow, prepares a store and then waits for `start`."""
        if self._process is None:
            self._spawn()
            self._tell("warm", uri=self._uri, folder=str(self._folder))

    def notify(self, message: Message, notify: Notify) -> None:
        """Have the process deliver a message; it is on the disk before, and never waited for.

        The process is started for this alone where nothing is mirrored.
        """
        put(self._store.root, message, notify)
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is None:
            self._spawn()
        self._begun = True
        self._tell("notify", records=str(self._store.root), notify=notify.model_dump(mode="json"))

    def _spawn(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (`stop` closes it)
        self._folder = _own_folder()
        self._process = subprocess.Popen(
            self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )

    def open(self, plan: Plan, invocation: Mapping[str, Any] | None) -> None:
        """Mirror `plan`, which is saved in the store, from now on; see Tracker."""
        self._opening = {
            "records": str(self._store.root),
            "uri": self._uri,
            "study": plan.study,
            "profile": plan.profile_name,
            "invocation": None if invocation is None else dict(invocation),
            "checkpoint_mib": self._checkpoint_mib,
        }

    def start(self) -> None:
        if self._opening is None:
            raise RuntimeError("open a plan first")
        self.warm()
        self._tell("open", **self._opening)
        self._begun = self._opened = True

    def grow(self, plan: Plan) -> None:
        """Mirror a larger plan from now on, which is saved in the store."""
        self._revive()
        self._tell("grow")

    def hurry(self) -> None:
        self._tell("hurry")

    def sync(self, *, over: bool | None = None) -> bool:
        """Mirror once what the records hold; see Tracker."""
        return self._ask("sync", over=over)

    def finish(
        self,
        status: str,
        artifacts: Sequence[Path] = (),
        metrics: Mapping[str, float] | None = None,
    ) -> bool:
        """Close the invocation, sync a last time, and end the process; see Tracker."""
        paths = [str(path.absolute()) for path in artifacts]
        sent = self._ask("finish", status=status, artifacts=paths, metrics=dict(metrics or {}))
        self.stop()
        return sent

    def stop(self, timeout: float = 10.0) -> None:
        """End the process, if there is one; a request under way is waited for. One that only made
        itself ready has nothing to finish."""
        process, self._process = self._process, None
        self._opened = False
        if process is None:
            return
        if not self._begun:
            process.kill()
        try:
            process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _revive(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is None or not self._opened:
            self.start()

    def _ask(self, what: str, **message: Any) -> bool:
        """Send a request and wait for its answer, from a second process if the first one dies;
        return whether everything was sent."""
        for _ in range(2):
            self._revive()
            self._tell(what, **message)
            sent = self._answer()
            if sent is not None:
                return sent
        return False

    def _tell(self, what: str, **message: Any) -> None:
        """Send a request; a process that has ended is noticed when its answer is read."""
        if self._process is None or self._process.stdin is None:
            return
        try:
            print(json.dumps({"do": what, **message}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            self.problem = self._died()

    def _answer(self) -> bool | None:
        """Wait for the answer: whether everything was sent; None when the process died."""
        if self._process is None or self._process.stdout is None:
            return None
        line = self._process.stdout.readline()
        if not line:
            self.problem = self._died()
            self._process.wait()
            return None
        answer = json.loads(line)
        self.problem, self.experiment_id = answer["problem"], answer["experiment_id"]
        return bool(answer["sent"])

    def _died(self) -> str:
        said = ""
        if self._errors is not None:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip()[-LAST_WORDS:]
        return redacted(f"the mirror's process ended: {said or 'without a word'}", self._uri)


def _own_folder() -> Path:
    """Make a temporary folder; those of processes that were killed together are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Carry out the requests of the parent process until it closes the stream."""
    server = _Server(answers)
    try:
        for line in requests:
            message = json.loads(line)
            getattr(server, f"do_{message.pop('do')}")(**message)
    finally:
        server.close()


class _Server:
    """Carries out requests in the child process, a method for each kind."""

    def __init__(self, answers: IO[str]) -> None:
        self._answers = answers
        self._folder: Path | None = None
        self._draft: Path | None = None
        self._mirror: MlflowMirror | None = None
        self._postman: Postman | None = None

    def do_notify(self, records: str, notify: dict[str, Any]) -> None:
        """Deliver what lies in the outbox of the records, now and from now on."""
        if self._postman is None:
            self._postman = Postman(Path(records), Notify.model_validate(notify))
        else:
            self._postman.hurry()

    def do_warm(self, uri: str, folder: str) -> None:
        self._folder = Path(folder)
        # An error here will occur again, and be reported, when the store is needed.
        with contextlib.suppress(Exception), loading():
            self._draft = prepare(uri, self._folder)

    def do_open(
        self,
        records: str,
        uri: str,
        study: str,
        profile: str,
        invocation: dict[str, Any] | None,
        checkpoint_mib: float,
    ) -> None:
        self._store, self._named = Store(Path(records)), (study, profile)
        if self._draft is not None:
            adopt(self._draft, uri)
        limits = Limits(checkpoint_mib=checkpoint_mib)
        self._mirror = MlflowMirror(self._store, uri, limits=limits)
        self._mirror.open(self._store.load_plan(study, profile), invocation)
        # From here on the process runs beside training, which has priority.
        os.nice(NICENESS)
        self._mirror.start()

    def do_grow(self) -> None:
        self._opened.grow(self._store.load_plan(*self._named))

    def do_hurry(self) -> None:
        self._opened.hurry()

    def do_sync(self, over: bool | None) -> None:
        self._answer(self._opened.sync(over=over))

    def do_finish(self, status: str, artifacts: list[str], metrics: dict[str, float]) -> None:
        paths = [Path(path) for path in artifacts]
        self._answer(self._opened.finish(status, paths, metrics))

    def close(self) -> None:
        if self._mirror is not None:
            self._mirror.stop()
        if self._postman is not None:
            self._postman.leave(FAREWELL)
        # The parent deletes the folder as well: either side may be killed.
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _opened(self) -> MlflowMirror:
        if self._mirror is None:
            raise RuntimeError("open a plan first")
        return self._mirror

    def _answer(self, sent: bool) -> None:
        mirror = self._opened
        said = {"sent": sent, "problem": mirror.problem, "experiment_id": mirror.experiment_id}
        print(json.dumps(said), file=self._answers, flush=True)
