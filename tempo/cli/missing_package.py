"""Say how to install Tempo where this Python has not what it needs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder with the package: of a checkout, that with the Makefile."""


def missing_package(name: str) -> str:
    """Return what to do when a package that Tempo needs is not in this Python."""
    fact = f"{sys.executable} has no package {name!r}, which Tempo needs"
    installed = ROOT / ".venv/bin/python"
    if installed.exists() and Path(sys.prefix).resolve() != ROOT / ".venv":
        given = shlex.join(sys.argv) if Path(sys.argv[0]).suffix == ".py" else "..."
        return (
            f"{fact}. Tempo is installed in {ROOT / '.venv'}: give the command as\n"
            f"  {installed} {given}\n"
            f"or first activate it: source {ROOT / '.venv/bin/activate'}"
        )
    if (ROOT / "Makefile").exists():
        return (
            f"{fact}. Install it with all packages into {ROOT / '.venv'}:\n"
            f"  make -C {shlex.quote(str(ROOT))} install\n"
            f"then activate that: source {ROOT / '.venv/bin/activate'}"
        )
    return f"{fact}; install it: {sys.executable} -m pip install tempo-vfi"
