"""Which code this is: the commit of a checkout, the versions of packages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
"""The folder of the package."""


def _git(*words: str) -> str | None:
    command = ["git", "-C", str(PACKAGE), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def commit() -> dict[str, Any]:
    """The commit of a checkout, and whether files differ from it; empty when installed."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return {}
    return {"commit": head, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}


def changed_sources(before: str, after: str) -> list[str] | None:
    """The package's modules, by their paths below it, that two commits of a checkout have different
    or that only one of them has; None where a commit is not known here."""
    found = _git("diff", "--name-only", "--relative", before, after, "--", ".")
    return None if found is None else [name for name in found.splitlines() if name.endswith(".py")]


def version_of(package: str) -> str | None:
    """The installed version of a package; None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The installed versions of those packages that are installed."""
    found = {name: version_of(name) for name in packages}
    return {name: number for name, number in found.items() if number is not None}
