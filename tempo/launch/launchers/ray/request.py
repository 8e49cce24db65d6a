"""Build what is asked of Ray Jobs for one run: a shell command, its resources, its metadata."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from tempo.core.errors import SpecError
from tempo.core.jobs import RESUMABLE, JobSpec

STOP_WAIT = "RAY_JOB_STOP_WAIT_TIME_S"
"""Seconds from Ray's SIGTERM to its SIGKILL; 3 where a job's environment does not say more."""

TRAVEL = ("TEMPO_*",)
"""Variables that always travel; folders are part of the command instead."""

STAY = {
    "TEMPO_CACHE",
    "TEMPO_RAY_PROFILE",
    "TEMPO_RECORDS",
    "TEMPO_RENDEZVOUS",
    "TEMPO_SLOTS",
    "TEMPO_SLURM_PROFILE",
    "TEMPO_WORKER_START",
}
"""Variables that never travel: they describe the machine that submits."""

BY_NAME = "(from the environment)"
"""Stands in records and printed requests for the value of a variable."""

RUN, STUDY, ATTEMPT, NAME = "tempo_run", "tempo_study", "tempo_attempt", "tempo_job"
"""Keys of a job's metadata; NAME holds its submission id, by which its folder is found."""

ENTRYPOINT = (
    "cd {directory} || exit 1; if [ -e {folder}/withdrawn ]; then exit {resumable}; fi; {setup}"
    "mkdir -p {logs} || exit 1; trap : TERM; setsid {command} </dev/null >>{log} 2>&1; code=$?; "
    "echo $code >{folder}/code; exit $code"
)
"""The shell keeps the exit code where every node sees it: Ray forgets it for a job that was
stopped, and together with everything else when its head is lost. In a session of its own the worker
is out of reach of the SIGKILL that the job's process group gets when its supervisor dies: it
receives SIGTERM as its parent's child (`--with-parent`), and has time for a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayPolicy:
    """How a study uses a Ray cluster.

    Attributes:
        address: of the cluster; None: what RAY_ADDRESS says, or one on this machine.
        directory: the working directory as nodes see it; None: the present one.
        python: the interpreter on nodes; None: the present one.
        environment: patterns of variables that jobs inherit.
        resources: custom resources of a job and their amounts.
        labels: what nodes must be labelled with.
        runs_per_gpu: how many jobs of one GPU share it.
        notice: seconds that a job has for its checkpoint when asked to leave.
        poll: seconds between two looks at the jobs.
    """

    study: str
    address: str | None = None
    directory: str | None = None
    python: str | None = None
    setup: Sequence[str] = ()
    environment: Sequence[str] = ()
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    runs_per_gpu: int = 1
    notice: int = 60
    poll: float = 5.0


def job_request(job: JobSpec, name: str, root: Path, policy: RayPolicy) -> dict[str, Any]:
    """Return the arguments of `submit_job` for a run, but for the values of its environment.

    Args:
        name: the submission id.
        root: the folder of submissions.

    Raises:
        ValueError: for a word that holds a NUL byte.
        SpecError: for a folder that nodes cannot find.
    """
    needed = job.resources
    gpus: float = needed.gpus_per_node
    if gpus == 1 and policy.runs_per_gpu > 1:
        gpus = int(10_000 / policy.runs_per_gpu) / 10_000  # Ray counts in ten-thousandths.
    asked: dict[str, Any] = {
        "entrypoint": _entrypoint(job, root / name, policy),
        "submission_id": name,
        # Without any resource Ray would run the job on its head.
        "entrypoint_num_cpus": needed.cpus or None,
        "entrypoint_num_gpus": gpus or None,
        "entrypoint_memory": needed.mem_mb * 2**20 if needed.mem_mb else None,
        "entrypoint_resources": dict(policy.resources) or None,
        "entrypoint_label_selector": dict(policy.labels) or None,
        "metadata": {
            STUDY: policy.study,
            RUN: job.key,
            ATTEMPT: job.log.stem,
            NAME: name,
        },
        "runtime_env": {"env_vars": dict.fromkeys(_travelling(job, policy), BY_NAME)},
    }
    asked["runtime_env"]["env_vars"][STOP_WAIT] = str(policy.notice)
    return {key: value for key, value in asked.items() if value is not None}


def with_values(request: Mapping[str, Any], job_env: Mapping[str, str]) -> dict[str, Any]:
    """Return a request with the values of its environment filled in, as Ray is given it."""
    known = {**os.environ, **job_env}
    named = request["runtime_env"]["env_vars"]
    filled = {name: known[name] if text == BY_NAME else text for name, text in named.items()}
    return {**request, "runtime_env": {**request["runtime_env"], "env_vars": filled}}


def _travelling(job: JobSpec, policy: RayPolicy) -> list[str]:
    """Return the names of the variables that a job inherits, sorted."""
    patterns = (*TRAVEL, *policy.environment)
    exact = {each for each in patterns if not each.endswith("*")}
    begins = tuple(each[:-1] for each in patterns if each.endswith("*"))
    found = {name for name in os.environ if name in exact or name.startswith(begins)}
    return sorted((found - STAY) | set(job.env))


def _entrypoint(job: JobSpec, folder: Path, policy: RayPolicy) -> str:
    here = Path.cwd()
    directory = policy.directory or str(here)
    log = seen(job.log, here, directory)
    argv = list(job.argv)
    if policy.python and argv[:1] == [sys.executable]:
        argv[0] = policy.python
    if policy.directory and (lost := [word for word in argv[1:] if word.startswith(f"{here}/")]):
        raise SpecError(
            f"nodes see {here} as {directory} (`directory` of the site profile), so {lost[0]} has "
            "to be given relative to it"
        )
    return ENTRYPOINT.format(
        directory=quoted(directory),
        folder=quoted(seen(folder, here, directory)),
        setup="".join(f"{line}; " for line in policy.setup),
        logs=quoted(str(PurePosixPath(log).parent)),
        log=quoted(log),
        command=" ".join(map(quoted, argv)),
        resumable=RESUMABLE,
    )


def seen(path: Path, here: Path, directory: str) -> str:
    """Return a path as nodes see it."""
    whole = here / path
    if directory == str(here):
        return str(whole)
    if not whole.is_relative_to(here):
        raise SpecError(
            f"nodes see {here} as {directory} (`directory` of the site profile), and {whole} is "
            "outside of it: keep the records below the working directory"
        )
    return str(PurePosixPath(directory) / whole.relative_to(here).as_posix())


def quoted(word: str) -> str:
    """Quote a word for a POSIX shell, in ASCII: Ray writes the command into its own log, in an
    encoding of its own.

    Raises:
        ValueError: for a word that holds a NUL byte, which no argument of a program can.
    """
    if "\0" in word:
        raise ValueError("no argument of a program can hold a NUL byte")
    if word.isascii():
        return shlex.quote(word)
    parts = []
    for plain, letters in groupby(word, str.isascii):
        text = "".join(letters)
        octal = "".join(f"\\{byte:03o}" for byte in text.encode("utf-8", "surrogateescape"))
        parts.append(shlex.quote(text) if plain else f"\"$(printf '{octal}')\"")
    return "".join(parts)


_CODE = re.compile(r"^\d{1,3}\s*$")


def written_code(folder: Path) -> int | None:
    """Return the exit code that a job's shell wrote into its folder; None where there is none."""
    try:
        text = (folder / "code").read_text(errors="replace")
    except OSError:
        return None
    return int(text) if _CODE.match(text) else None
