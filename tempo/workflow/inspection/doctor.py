"""Check what studies need of this machine, and say what would fail."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tempo.core.errors import LedgerError, TempoError
from tempo.core.redaction import redacted
from tempo.launch.launchers.cluster.site_profile import profile_path
from tempo.launch.launchers.ray.site import load_ray_site
from tempo.launch.launchers.slurm.site import load_site
from tempo.ledger.open import VARIABLE, open_ledger
from tempo.ledger.port import this_process
from tempo.records.layout import Store, default_cache, default_root
from tempo.spec.user.notify import Notify
from tempo.spec.user.user_profile import UserProfile, load_user_profile, user_profile_path
from tempo.track.notices.delivery import NeverError, address, channels
from tempo.track.store_address import default_uri, sqlite_file
from tempo.workflow.inspection.finding import Finding
from tempo.workflow.inspection.installation import DISTRIBUTION, dependencies, installation
from tempo.workflow.inspection.machine_checks import (
    REMOTE,
    clock_finding,
    device_findings,
    disk_finding,
    existing,
    kind_of_disk,
    processor_findings,
)

PYTHONS = ((3, 11), (3, 14))
"""Versions of Python that are supported: from the first, before the second."""
ANSWER = 5.0
"""Seconds that a store may take to answer."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found; `healthy` when no command would fail by any of it.

    >>> import tempo
    >>> found = tempo.doctor(devices=False)
    >>> {each.topic for each in found.findings} >= {"python", "ledger", "clock"}
    True
    """

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing that was looked at would make a command fail."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What would make a command fail."""
        return tuple(each for each in self.findings if each.state == "failure")

    def json(self) -> str:
        """Everything as JSON, with what is installed."""
        from tempo.report.formats.writers import json_text

        return json_text(
            {
                "healthy": self.healthy,
                "installation": installation(),
                "findings": list(self.findings),
            }
        )


def doctor(
    *,
    records: str | Path | None = None,
    cache: str | Path | None = None,
    reports: str | Path = "reports",
    mlflow: str | None = None,
    devices: bool = True,
    say: Callable[[str], object] = lambda _: None,
) -> Diagnosis:
    """Check devices, drivers, ledger, stores, disks, clock, threads and versions.

    Nothing is changed: what is tried is tried on temporary files that are removed again.

    Args:
        records, cache, reports: the folders that studies will use.
        mlflow: the store (default: `MLFLOW_TRACKING_URI`, else the file beside the records).
        devices: whether to ask a process that loads torch, which takes some seconds.
        say: is told what takes a while.

    >>> import tempo
    >>> tempo.doctor(devices=False).healthy
    True
    """
    root = default_root() if records is None else Path(records)
    folder = default_cache() if cache is None else Path(cache)
    uri = mlflow or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(root)
    found = [*_installation_findings()]
    if devices:
        say("Asking a worker what torch finds; this takes some seconds ...")
        found += device_findings()
    found += processor_findings()
    found += [
        disk_finding(topic, each)
        for topic, each in {
            "records": root,
            "cache": folder,
            "reports": Path(reports),
            "temporary files": Path(tempfile.gettempdir()),
        }.items()
    ]
    found += [_records_finding(root), clock_finding(root), _ledger_finding(root)]
    found += [_mlflow_finding(uri), *_profile_findings(), *_environment_findings()]
    return Diagnosis(tuple(found))


def _installation_findings() -> Iterator[Finding]:
    first, behind = PYTHONS
    here = sys.version_info[:2]
    fits = first <= here < behind
    asked = f"{first[0]}.{first[1]} to {behind[0]}.{behind[1] - 1}"
    yield Finding(
        topic="python",
        state="ok" if fits else "failure",
        found=platform.python_version() + ("" if fits else f", and {asked} are supported"),
        advice="" if fits else "make an environment with a supported Python",
    )
    known = dependencies()
    problems = [each.problem for each in known if each.problem]
    if problems:
        yield Finding(
            topic="packages",
            state="failure",
            found="; ".join(problems),
            advice=f"pip install -U {DISTRIBUTION}",
        )
    elif known:
        yield Finding(topic="packages", state="ok", found=f"{len(known)} fit what is asked for")
    else:
        yield Finding(
            topic="packages", state="note", found="unknown: Tempo is not installed by pip"
        )


def _records_finding(root: Path) -> Finding:
    """Whether the plans of the recorded studies can be read."""
    plans = Store(root).load_plans()
    if plans.problems:
        return Finding(
            topic="studies",
            state="failure",
            found=plans.left_out,
            advice="restore the named files, or run these studies again",
        )
    return Finding(topic="studies", state="ok", found=f"{len(plans.plans)} recorded, all readable")


def _ledger_finding(root: Path) -> Finding:
    """Whether the ledger answers; of a file that is not there yet, whether one would work."""
    url = os.environ.get(VARIABLE)
    shown = redacted(url or f"sqlite:///{root / 'ledger.db'}")
    try:
        if url or (root / "ledger.db").is_file():
            ledger = open_ledger(url, root)
            try:
                ledger.holds(["doctor"])
            finally:
                ledger.close()
        _try_ledger(existing(root))
    except (LedgerError, OSError) as error:
        return Finding(
            topic="ledger",
            state="failure",
            found=f"{shown}: {redacted(str(error))}",
            advice=f"mend it, or name another one with {VARIABLE}",
        )
    kind = kind_of_disk(existing(root))
    if kind in REMOTE and not url:
        return Finding(
            topic="ledger",
            state="warning",
            found=f"{shown} is a file on {kind}, which several machines cannot lock safely",
            advice=f"{VARIABLE}=postgresql://... or files, where more than one machine works",
        )
    return Finding(topic="ledger", state="ok", found=f"{shown} answers")


def _try_ledger(folder: Path) -> None:
    """Claim and release a key in a ledger file that is removed again: files can be locked here."""
    with tempfile.TemporaryDirectory(prefix=".tempo-doctor-", dir=folder) as made:
        ledger = open_ledger(f"sqlite:///{Path(made) / 'ledger.db'}", Path(made))
        try:
            token = ledger.claim("doctor", this_process(), 60.0)
            if token is None:
                raise LedgerError("a new ledger gave no claim")
            ledger.release("doctor", token)
        finally:
            ledger.close()


def _mlflow_finding(uri: str) -> Finding:
    """Whether the MLflow store answers; a file that is not there yet will be made."""
    topic, shown = "MLflow", redacted(uri)
    if uri.lower() in {"off", "none"}:
        return Finding(topic=topic, state="note", found="off: nothing is mirrored")
    database = sqlite_file(uri)
    try:
        if database is not None:
            if not database.is_file():
                return Finding(topic=topic, state="ok", found=f"{shown} will be made")
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=ANSWER) as opened:
                (word,) = opened.execute("PRAGMA quick_check(1)").fetchone()
            opened.close()
            if word != "ok":
                raise OSError(str(word))
        elif uri.startswith(("http://", "https://")):
            with urlopen(f"{uri.rstrip('/')}/health", timeout=ANSWER) as answer:
                answer.read(64)
        else:
            return Finding(topic=topic, state="note", found=f"{shown} was not asked")
    except (OSError, URLError, sqlite3.Error, ValueError) as error:
        return Finding(
            topic=topic,
            state="warning",
            found=f"{shown} does not answer: {redacted(str(error))}",
            advice="studies run all the same, and `tempo sync STUDY` completes the mirror later",
        )
    return Finding(topic=topic, state="ok", found=f"{shown} answers")


def _profile_findings() -> Iterator[Finding]:
    """Whether the user's own files of settings can be read, and notices have where to go."""
    loads: dict[str, tuple[Path, Callable[[], object]]] = {
        "slurm profile": (profile_path("slurm"), load_site),
        "ray profile": (profile_path("ray"), load_ray_site),
        "user's profile": (user_profile_path(), load_user_profile),
    }
    for topic, (path, load) in loads.items():
        try:
            loaded = load()
        except (TempoError, OSError, ValueError) as error:
            yield Finding(
                topic=topic,
                state="failure",
                found=str(error),
                advice=f"mend {path}, or move it away",
            )
            continue
        if path.is_file():
            yield Finding(topic=topic, state="ok", found=str(path))
        if isinstance(loaded, UserProfile) and loaded.notify is not None:
            yield _notices_finding(loaded.notify)


def _notices_finding(notify: Notify) -> Finding:
    """Whether the environment says where notices go; none is sent."""
    try:
        if notify.webhook is not None:
            address(notify)
        if notify.command is not None and not shutil.which(shlex.split(notify.command)[0]):
            raise NeverError(f"there is no program {shlex.split(notify.command)[0]}")
    except NeverError as error:
        return Finding(
            topic="notices",
            state="warning",
            found=str(error),
            advice="studies run all the same, and nobody is told; `tempo notify` tries it",
        )
    found = f"of {', '.join(notify.on)}, by {' and '.join(channels(notify))}"
    return Finding(topic="notices", state="ok", found=found, advice="")


def _environment_findings() -> Iterator[Finding]:
    """Name the variables that change what commands do."""
    known = {
        name: redacted(value)
        for name, value in sorted(os.environ.items())
        if name.startswith("TEMPO_") or name in {"MLFLOW_TRACKING_URI", "CUDA_VISIBLE_DEVICES"}
    }
    if known:
        said = ", ".join(f"{name}={value}" for name, value in known.items())
        values: dict[str, Any] = dict(known)
        yield Finding(topic="environment", state="note", found=said, values=values)
