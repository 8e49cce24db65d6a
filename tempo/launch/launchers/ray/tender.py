"""Have Ray's head carry out a command that follows a study: a job beside those of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from tempo.core.identity import short_hash
from tempo.core.jobs import JobSpec, Resources
from tempo.launch.launchers.cluster.contact import new_name
from tempo.launch.launchers.cluster.site_profile import profile_variable
from tempo.launch.launchers.ray.job_client import RayJobs
from tempo.launch.launchers.ray.request import RayPolicy, job_request, seen, with_values
from tempo.launch.launchers.ray.site import RaySite
from tempo.records.files import write_json

LIVE = {"PENDING", "RUNNING"}
TENDS = "tend-"
"""Precedes, in a job's metadata, the hash of the runs that a tending job follows."""


def begin_tending(
    root: Path,
    policy: RayPolicy,
    site: RaySite,
    ray: RayJobs,
    argv: Sequence[str],
    runs: Sequence[str],
) -> str:
    """Submit the job that carries out `argv` on the head, unless one follows the same `runs`.

    It asks for no resources, so that Ray runs it on its head, which outlives the other nodes, and
    no GPU is taken. Its site profile travels as a file beside its request.

    Args:
        root: the folder of submissions.
        argv: the command, whose first word is this interpreter.
        runs: the ids of the study's runs.

    Returns:
        The id of the job that follows the study, be it new or not.
    """
    key = TENDS + short_hash(sorted(runs), 12)
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / "lock"):
        for row in ray.rows():
            if row.run == key and row.state in LIVE and (root / row.name).is_dir():
                return row.name
        name = new_name("tempo", policy.study, "tend")
        folder = root / name
        # On the head the working directory, the interpreter and the cluster are its own.
        there = {"directory": None, "python": None, "address": None}
        profile = site.model_dump(mode="json") | there
        write_json(folder / "site.yaml", profile)
        where = seen(folder / "site.yaml", Path.cwd(), policy.directory or str(Path.cwd()))
        job = JobSpec(
            key=key,
            argv=argv,
            log=folder / "tend.log",
            env={profile_variable("ray"): where},
            resources=Resources(cpus=0),
        )
        request = job_request(job, name, root, replace(policy, resources={}, labels={}))
        write_json(folder / "request.json", request)
        ray.submit(with_values(request, job.env))
    return name
