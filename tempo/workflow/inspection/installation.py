"""Say what is installed: version, commit, code stamp and dependencies, and whether these fit."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from tempo.core.code_stamp import code_stamp
from tempo.core.provenance import PACKAGE, commit, version_of
from tempo.core.version import VERSION

DISTRIBUTION = "tempo-vfi"

BEHIND_EXTRAS = re.compile(r"extra\s*==")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A package that Tempo needs: the versions asked for and the one that is there."""

    name: str
    asked: str
    installed: str | None

    @property
    def problem(self) -> str:
        """Why the package does not do; empty where it does."""
        if self.installed is None:
            return f"{self.name} is not installed"
        if not Requirement(f"{self.name}{self.asked}").specifier.contains(
            self.installed, prereleases=True
        ):
            return f"{self.name} is {self.installed}, and {self.asked} is needed"
        return ""


def dependencies() -> tuple[Dependency, ...]:
    """Return every package that Tempo needs without its extras; none where Tempo itself is not
    installed and only lies in the path."""
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return ()
    found = []
    for line in lines:
        if BEHIND_EXTRAS.search(line):
            continue
        try:
            asked = Requirement(line)
        except InvalidRequirement:
            continue
        if asked.marker is None or asked.marker.evaluate():
            found.append(
                Dependency(
                    name=asked.name, asked=str(asked.specifier), installed=version_of(asked.name)
                )
            )
    return tuple(sorted(found, key=lambda each: each.name.lower()))


def installation() -> dict[str, Any]:
    """Return version, commit, code stamp, Python, system and packages, as JSON values."""
    known = commit()
    return {
        "tempo": VERSION,
        "commit": known.get("commit"),
        "uncommitted_changes": known.get("dirty"),
        "code_stamp": code_stamp(),
        "folder": str(PACKAGE),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {each.name: each.installed for each in dependencies()},
    }


def version_lines() -> list[str]:
    """Return what `tempo --version` prints: `tempo 0.1.0`, then where the code and packages are."""
    told = installation()
    commit_line = "not a checkout"
    if told["commit"]:
        changed = ", with uncommitted changes" if told["uncommitted_changes"] else ""
        commit_line = f"{told['commit']}{changed}"
    packages = [f"{name} {number or 'missing'}" for name, number in told["packages"].items()]
    return [
        f"tempo {told['tempo']}",
        f"commit      {commit_line}",
        f"code stamp  {told['code_stamp']}",
        f"python      {told['python']} on {told['system']}",
        f"packages    {_wrapped(packages)}",
    ]


def _wrapped(words: list[str], width: int = 68) -> str:
    """Join words with commas into lines that stand under each other."""
    lines = [""]
    for place, word in enumerate(words):
        text = word + ("," if place < len(words) - 1 else "")
        if len(lines[-1]) + len(text) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {text}".strip()
    return f"\n{' ' * 12}".join(lines) if words else "unknown: Tempo is not installed by pip"
