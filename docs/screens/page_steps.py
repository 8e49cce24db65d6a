"""Read the steps of a page: files to write, commands to give, and the pictures that follow them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_PART = re.compile(
    r"(?P<left><!-- not run: [^\n]+ -->\n)?"
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$"
    r"|!\[[^\]]*\]\((?P<picture>[^)]+)\)",
    re.DOTALL | re.MULTILINE,
)


@dataclass
class Step:
    """Lines to type, or a file to write; then pictures, by the names of their files."""

    lines: tuple[str, ...] = ()
    file: str = ""
    text: str = ""
    pictures: list[str] = field(default_factory=list)


def steps(page: Path) -> list[Step]:
    """Return the steps of a page in order.

    A `bash` block is typed unless a comment says why not; a block with a title is a file of that
    name. A picture belongs to the block before it.
    """
    found: list[Step] = []
    for part in _PART.finditer(page.read_text()):
        if part["picture"]:
            found[-1].pictures.append(Path(part["picture"]).name)
        elif part["title"]:
            found.append(Step(file=part["title"], text=part["text"]))
        elif part["language"] == "bash" and not part["left"]:
            found.append(Step(lines=tuple(part["text"].splitlines())))
    return found


_SPEC = re.compile(r"((?:run_experiment\.py|tempo run) \S+\.yaml)(?: --profile \w+)?")


def at_smoke_size(line: str) -> str:
    """Return a command that does the same at smoke size and without MLflow."""
    return _SPEC.sub(r"\1 --profile smoke --mlflow off", line)
