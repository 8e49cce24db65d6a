"""Serve the MLflow UI on a study's store, and link to its views."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO
from urllib.parse import quote, urlencode

from tempo.core.errors import MissingError, TempoError
from tempo.core.redaction import redacted
from tempo.track.store_address import sqlite_file

HOST = "127.0.0.1"
START_SECONDS = 120.0
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


def command(port: int) -> list[str]:
    """The UI in one process instead of MLflow's default of several, for a quick start.

    Which store it shows is in its environment, where no list of processes tells a password.
    """
    server = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    return [*server, "--workers", "1"]


def serve(uri: str, port: int | None = None, say: Callable[[str], None] = print) -> int:
    """Run the UI until Ctrl-C or SIGTERM; of a server, which has a UI, only the address is said.

    Raises:
        MissingError: when the store does not exist yet.
        TempoError: when the UI does not come up, or ends by itself.
    """
    if uri.startswith(("http://", "https://")):
        say(f"MLflow: {redacted(uri)}")
        return 0
    database = sqlite_file(uri)
    if database is not None and not database.is_file():
        raise MissingError(f"{database} does not exist: run a study first, or `tempo sync` one")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(uri, port) as (process, address):
            say(f"MLflow: {address}/{home()}   (Ctrl-C ends it)")
            process.wait()
    except KeyboardInterrupt:
        say("MLflow UI stopped.")
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)
    raise TempoError(f"the MLflow UI ended by itself with code {process.returncode}")


@contextmanager
def running(uri: str, port: int | None = None) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The UI as a child process that answers, and its address; it is ended with the block."""
    chosen = free_port() if port is None else port
    address = f"http://{HOST}:{chosen}"
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command(chosen),
            env=os.environ | _ENVIRONMENT | {"MLFLOW_BACKEND_STORE_URI": uri},
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
    """End the server and the workers it started, which are a process group of their own."""
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


RUNS_ONLY = "tags.role != 'study'"
"""The filter that hides parent runs."""

MODEL_TRAINING = {"workflowType": "machine_learning"}
"""Without it MLflow opens its pages for language models."""


def home() -> str:
    """The list of experiments, as the part of an address after the host."""
    return f"#/experiments?{urlencode(MODEL_TRAINING)}"


def leaderboard(experiment_id: str, metric: str = "test/psnr") -> str:
    """All runs, best first."""
    return _runs(experiment_id, metric)


def charts(experiment_id: str, metric: str = "test/psnr") -> str:
    """Learning curves, final figures and pictures of all runs, one colour a run."""
    return _runs(experiment_id, metric, compareRunsMode="CHART")


def _runs(experiment_id: str, metric: str, **query: str) -> str:
    # Ordered by time, MLflow would fold the runs under their parents in spite of the filter.
    order = {"orderByKey": f"metrics.`{metric}`", "orderByAsc": "false"}
    query = MODEL_TRAINING | {"searchFilter": RUNS_ONLY} | order | query
    return f"#/experiments/{experiment_id}/runs?{urlencode(query, quote_via=quote)}"


def hints(uri: str, experiment_id: str | None) -> list[str]:
    """Lines to print at the end of a study: where to look in MLflow.

    For a server they are addresses; for a database they follow what `tempo ui` prints.
    """
    if experiment_id is None:
        return []
    base = f"{uri.rstrip('/')}/" if uri.startswith(("http://", "https://")) else ""
    said = "" if base else "tempo ui, then "
    return [
        f"Compare in MLflow: {said}{base}{charts(experiment_id)}",
        f"   best run first: {said}{base}{leaderboard(experiment_id)}",
        f"   filter: {RUNS_ONLY}",
    ]
