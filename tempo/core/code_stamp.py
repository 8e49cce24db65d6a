"""Which code decides a result, and a stamp of it.

What is stamped is every module that a worker executes and that can change a weight, a picture or a
number. Left out are the modules that plan, price, count, record or start a run; so a change to a
report or to the command line makes no result stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tempo.core.provenance import PACKAGE

STAMPED = (
    "core/seeding.py",
    "data",
    "losses",
    "metrics",
    "models",
    "spec/arch.py",
    "train",
)
"""Packages and modules that decide a result. Of the spec only `arch.py` computes anything that a
run's resolved config does not hold."""

NOT_STAMPED = frozenset(
    {
        "models/network_cost.py",
        "train/hardware/calibration.py",
        "train/hardware/spawn_ranks.py",
        "train/run/environment_record.py",
        "train/run/curve_milestones.py",
        "train/run/step_phases.py",
        "train/hardware/preflight.py",
        "train/run/profiler_trace.py",
        "train/hardware/device_slots.py",
        "train/run/stop_request.py",
        "train/hardware/matched_width.py",
        "train/run/run_folder.py",
    }
)
"""Modules of those packages that count, time, record, stop or start a run."""


def stamped_files(package: Path = PACKAGE) -> Iterator[Path]:
    """The sources that decide a result, in a fixed order."""
    for name in STAMPED:
        at = package / name
        for path in sorted(at.rglob("*.py")) if at.is_dir() else (at,):
            if path.relative_to(package).as_posix() not in NOT_STAMPED:
                yield path


@cache
def code_stamp() -> str:
    """A hash of the sources that decide a result: equal stamps, equal code."""
    digest = hashlib.sha256()
    for path in stamped_files():
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
