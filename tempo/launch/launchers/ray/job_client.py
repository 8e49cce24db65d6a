"""Ask a cluster's Ray Jobs over HTTP, with time-outs and retries, by Ray's own client."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tempo.core.errors import MissingError, TempoError
from tempo.launch.launchers.cluster.contact import AwayError
from tempo.launch.launchers.ray.request import NAME, RUN

T = TypeVar("T")

TRIES = 3
PAUSE = 1.0
"""Seconds before the first repetition; doubled for each further one."""

OVERRIDE = "RAY_API_SERVER_ADDRESS"
"""The environment variable that Ray's client heeds before every other address."""

VARIABLES = (OVERRIDE, "RAY_ADDRESS")

_STATUS = re.compile(r"status code (\d+)")
_FINAL = re.compile(r"already exists|does not exist")
"""What Ray says with the status of an internal error, and again however often it is asked."""


@dataclass(frozen=True, slots=True)
class Row:
    """A job as Ray lists it. `code` is its exit code, where Ray knows it; `where` is the address of
    the node that began it, empty for one that never began."""

    name: str
    run: str
    state: str
    code: int | None
    error: str
    message: str
    where: str


def chosen_address(asked: str | None, site: str | None) -> str | None:
    """Return the cluster's address: of the command line, else the environment, else the profile."""
    said = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), None)
    return asked or said or site


class RayJobs:
    """The jobs of the cluster at `address`; None: of one that runs on this machine.

    Args:
        patience: seconds that one request may take.

    Every method raises AwayError when the cluster does not answer, TempoError when it refuses.
    """

    def __init__(self, address: str | None, patience: float = 30.0, pause: float = PAUSE) -> None:
        self._address, self._patience, self._pause = address, patience, pause
        self._client: Any = None
        self._errors: tuple[type[Exception], ...] = (RuntimeError,)

    def check(self) -> None:
        """Raise a MissingError when Ray is not installed, or no cluster answers."""
        try:
            import ray.job_submission as installed
            from ray.exceptions import RayError
        except ModuleNotFoundError as error:
            raise MissingError(
                f"--launcher ray needs the package {error.name!r}: pip install 'tempo-vfi[ray]' "
                "(in a checkout: pip install -c constraints.txt -e '.[ray]')"
            ) from None
        self._errors = (RuntimeError, RayError)  # RayError: a token that is refused.
        patience = self._patience

        def request(client: Any, *words: Any, **options: Any) -> Any:
            # Ray's client waits for ever by itself.
            base = installed.JobSubmissionClient
            return base._do_request(client, *words, **{"timeout": patience} | options)

        patient = type("Patient", (installed.JobSubmissionClient,), {"_do_request": request})
        named = self._address or "this machine"
        try:
            with _only_address(self._address):
                self._client = patient(self._address)
        except Exception as error:
            if type(error).__name__ == "AuthenticationError":
                raise MissingError(f"Ray at {named} asks for a token: {_first(error)}") from None
            raise MissingError(
                f"--launcher ray finds no Ray cluster at {named} ({_first(error)}): name one by "
                "--ray-address http://HEAD:8265, by RAY_ADDRESS or by `address:` in "
                "~/.config/tempo/ray.yaml, or start one with `ray start --head`"
            ) from None

    def submit(self, request: Mapping[str, Any]) -> None:
        """Submit a job once, since an unanswered try may have succeeded; an id that Ray knows
        already is that of such a try."""
        try:
            self._ask(lambda client: client.submit_job(**request), tries=1)
        except TempoError as error:
            if "already exists" not in str(error):
                raise

    def rows(self) -> list[Row]:
        """List the jobs of Tempo that the cluster remembers."""
        listed = self._ask(lambda client: client.list_jobs())
        return [row for each in listed if (row := _row(each)) is not None]

    def stop(self, name: str) -> None:
        """Ask Ray to stop a job; one that ended, or that Ray forgot, is passed over."""
        try:
            self._ask(lambda client: client.stop_job(name))
        except AwayError:
            raise
        except TempoError as error:
            if "does not exist" not in str(error):
                raise

    def _ask(self, call: Callable[[Any], T], tries: int = TRIES) -> T:
        if self._client is None:
            self.check()
        problem = ""
        for attempt in range(tries):
            if attempt:
                time.sleep(self._pause * 2 ** (attempt - 1))
            try:
                return call(self._client)
            except OSError as error:  # So are all errors of requests, time-outs too.
                problem = _first(error)
            except self._errors as error:
                problem, found = _first(error), _STATUS.search(str(error))
                if found is None or int(found[1]) < 500 or _FINAL.search(str(error)):
                    raise TempoError(f"Ray refused: {_last(error)}") from None
        raise AwayError(f"Ray at {self._address or 'this machine'} does not answer ({problem})")


@contextmanager
def _only_address(address: str | None) -> Iterator[None]:
    """Have Ray's client heed `address`, before which it would heed the environment."""
    before = os.environ.get(OVERRIDE)
    if address:
        os.environ[OVERRIDE] = address
    try:
        yield
    finally:
        if address and before is None:
            del os.environ[OVERRIDE]
        elif before is not None:
            os.environ[OVERRIDE] = before


def _row(job: Any) -> Row | None:
    metadata = job.metadata or {}
    if NAME not in metadata or job.submission_id != metadata[NAME]:
        return None
    began = job.driver_node_id is not None
    where = urlsplit(job.driver_agent_http_address or "").netloc.rpartition(":")[0] if began else ""
    return Row(
        name=job.submission_id,
        run=metadata.get(RUN, ""),
        state=str(getattr(job.status, "value", job.status)),
        code=job.driver_exit_code,
        error=str(job.error_type or ""),
        message=job.message or "",
        where=where or ("a node" if began else ""),
    )


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _last(error: Exception) -> str:
    """Return the line that says most: the last one of a traceback in Ray's answer."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" .")]
    return (lines or [type(error).__name__])[-1][:300]
