"""Serve the MLflow UI on a study's store, and lead to the view of a study."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING

import psutil

from tempo.core.catalog import nearest
from tempo.core.errors import MissingError, TempoError
from tempo.core.redaction import redacted
from tempo.track.mlflow.client import connect, explain
from tempo.track.mlflow.short_address import HOST, forwarding, host_settings, path_of
from tempo.track.mlflow.study_view import charts, home, leaderboard, save_view
from tempo.track.store_address import sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

START_SECONDS = 120.0
LAST_PORT = 65535
BLOCKED_PORTS = frozenset({5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 10080})
"""Browsers refuse these ports above 1024."""

_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def free_port() -> int:
    """Return a free port of the loopback interface that browsers do not block."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in BLOCKED_PORTS:
            return port


def require_free(port: int) -> None:
    """Raise a TempoError when a port is taken: MLflow would try it for minutes."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
    except OSError as error:
        raise TempoError(
            f"port {port} of this machine, where MLflow's pages would be, cannot be used "
            f"({error.strerror}); choose a --port whose next one is free, or leave --port out"
        ) from error


def command(port: int) -> list[str]:
    """The UI in one process instead of MLflow's default of several, for a quick start.

    Which store it shows is in its environment, where no list of processes tells a password.
    """
    server = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    return [*server, "--workers", "1"]


class Views:
    """The views of the studies in an MLflow store."""

    def __init__(self, client: MlflowClient, first: str | None = None) -> None:
        self._client, self._first = client, first
        self._lock = threading.Lock()

    def find(self, path: str) -> str:
        """Return the view of a path, `/`, `/STUDY` or `/STUDY/table`, saved as of now.

        Raises:
            TempoError: the store has no such study.
        """
        study, _, part = path.strip("/").partition("/")
        study = study or self._first or ""
        if not study:
            return home()
        if part not in ("", "table"):
            raise TempoError(
                f"{study} has no page {part!r}: /{study} shows its charts and "
                f"/{study}/table its runs."
            )
        with self._lock:
            number = self._number(study)
            save_view(self._client, number)
        return leaderboard(number) if part else charts(number)

    def _number(self, study: str) -> str:
        found = self._client.get_experiment_by_name(study)
        if found is not None and found.lifecycle_stage == "active":
            return str(found.experiment_id)
        names = {each.name for each in self._client.search_experiments()} - {"Default"}
        known = f" (it has {', '.join(sorted(names))})" if names else ", nor any other"
        guess = nearest(study, names)
        hint = f" Did you mean {guess!r}?" if guess else ""
        raise TempoError(
            f"MLflow has no study {study!r}{known}.{hint} `tempo sync {study}` sends a study that "
            "has records."
        )


def serve(
    uri: str,
    port: int | None = None,
    say: Callable[[str], None] = print,
    *,
    study: str | None = None,
) -> int:
    """Run the UI until Ctrl-C or SIGTERM, on the view of a study; of a server, which has a UI, only
    the address is said.

    `port`: that of the short address, by default a free one; MLflow's own pages are at the next.

    Raises:
        MissingError: when the store does not exist yet.
        TempoError: when it has no such study, when the UI does not come up, or ends by itself.
    """
    if port is not None and not 1024 <= port < LAST_PORT:
        raise TempoError(f"--port {port} cannot be used: choose one from 1024 to {LAST_PORT - 1}")
    if uri.startswith(("http://", "https://")):
        rest = f"/{Views(_connected(uri)).find(study)}" if study else ""
        say(f"MLflow: {redacted(uri).rstrip('/')}{rest}")
        return 0
    if find_spec("flask") is None:
        raise MissingError(
            "The pages of MLflow are not installed here: the package mlflow-skinny has none. "
            "Install them by `pip install mlflow`, or give --mlflow the address of a server."
        )
    database = sqlite_file(uri)
    if database is not None and not database.is_file():
        raise MissingError(f"{database} does not exist: run a study first, or `tempo sync` one")
    views = Views(_connected(uri), study)
    views.find("/")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        front = free_port() if port is None else port
        behind = free_port() if port is None else port + 1
        require_free(behind)
        with (
            forwarding(views.find, behind, front) as short,
            running(uri, behind) as (process, _),
        ):
            for line in _said(short, study):
                say(line)
            process.wait()
    except KeyboardInterrupt:
        say("MLflow UI stopped.")
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)
    raise TempoError(f"the MLflow UI ended by itself with code {process.returncode}")


def _said(short: str, study: str | None) -> Iterator[str]:
    if study is None:
        yield f"MLflow: {short}   (all studies; Ctrl-C ends it)"
        yield f"  {short}STUDY leads to the charts of a study."
        return
    yield f"MLflow: {short}   (charts of {study}; Ctrl-C ends it)"
    yield f"  {short}{path_of(study)}/table lists its runs, best first."


def _connected(uri: str) -> MlflowClient:
    try:
        return connect(uri)
    except OSError as error:
        raise TempoError(f"MLflow cannot be opened: {explain(error, uri)}") from error


@contextmanager
def running(uri: str, port: int | None = None) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The UI as a child process that answers, and its address; it is ended with the block."""
    chosen = free_port() if port is None else port
    address = f"http://{HOST}:{chosen}"
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command(chosen),
            env={
                **os.environ,
                **_ENVIRONMENT,
                **host_settings(chosen),
                "MLFLOW_BACKEND_STORE_URI": uri,
            },
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait(process, address, output, uri)
            yield process, address
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], address: str, output: IO[bytes], uri: str) -> None:
    """Wait until the UI answers; a TempoError holds the last lines it wrote when it does not."""
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        if _answers(address):
            return
        time.sleep(0.1)
    output.seek(0)
    said = output.read().decode(errors="replace").strip().splitlines()[-5:]
    lines = "\n".join(redacted(line, uri) for line in said)
    raise TempoError(f"the MLflow UI does not answer at {address}:\n{lines}")


def _answers(address: str) -> bool:
    health = f"{address}/health"
    with contextlib.suppress(OSError), urllib.request.urlopen(health, timeout=5) as reply:
        return bool(reply.status == 200)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and the workers it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(process.pid)
        family = [server, *server.children(recursive=True)]
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for each in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    end(each)
            _, family = psutil.wait_procs(family, timeout=5.0)
    process.wait()
