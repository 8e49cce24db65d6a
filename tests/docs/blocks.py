"""Read the blocks of code of README and docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXECUTED = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]
"""Pages whose commands are executed, each but for blocks that say why not."""

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    text: str
    title: str | None
    reason: str | None
    """Why it is not executed; None where it is."""


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(found["language"], found["text"], found["title"], found["reason"])
        for found in _FENCE.finditer(page.read_text())
    ]


_COMMAND = re.compile(r"^(?:\w+=\S+ )*((?:tempo|python run_experiment\.py|python compare\.py) .*)$")
_END = re.compile(r"\s{2,}|\s#\s|\s\|\s|\s>\s[\w/]+\.\w+")
"""Where a command ends and what is said of it begins."""


def commands(page: Path) -> Iterator[str]:
    """Yield each command of Tempo that a page shows in a block of its own, as it is given."""
    text = page.read_text().replace("\\\n", " ")
    inside = fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            inside, fenced = not inside, line.strip() in {"```bash", "```console", "```"}
        shown = fenced if inside else line.startswith("    ")
        if shown and (found := _COMMAND.match(line.strip())):
            yield _END.split(re.sub(r"\s{2,}(--)", r" \1", found[1]))[0]
