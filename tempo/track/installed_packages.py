"""What the machine of an invocation had installed: what someone who repeats it will need."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from tempo.records.files import write_atomic

SECONDS = 20.0


@cache
def installed() -> str:
    """The installed distributions as `name==version` lines, as `pip freeze` gives them."""
    found = {
        f"{each.metadata['Name']}=={each.version}" for each in distributions() if each.metadata
    }
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower))


def gpu_report() -> str | None:
    """What nvidia-smi says; None on a machine without it. A failure is part of the report."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
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
    report = gpu_report()
    if report is not None:
        write_atomic(folder / "nvidia-smi.txt", lambda file: file.write(report.encode()))
    write_atomic(folder / "requirements.txt", lambda file: file.write(installed().encode()))
