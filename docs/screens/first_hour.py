"""Record the first hour: a page's commands in a terminal, its report in a browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from screens.page_steps import Step, at_smoke_size, steps
from screens.report_picture import CHROMIUM, browser, first_screen
from screens.terminal import Terminal
from screens.terminal_picture import draw
from screens.verdicts import is_told, verdicts_of

ROOT = Path(__file__).parents[2]
_REPORT = re.compile(r"^Report:\s+(\S+index\.html)", re.MULTILINE)
_KEPT = {"records", "cache"}
"""Folders that a later recording uses again."""


@dataclass(frozen=True)
class Recording:
    """What is recorded, and where.

    Args:
        page: whose commands are given.
        pictures: the folder that the pictures go into.
        folder: stands for the reader's checkout; records of own studies in it are used again.
        records: the records of the demonstration; what is missing there is trained.
        smoke: give every command at smoke size.
    """

    page: Path
    pictures: Path
    folder: Path
    records: Path
    smoke: bool = False


def record(recording: Recording, say: Callable[[str], None]) -> Iterator[str]:
    """Give the commands of the page, take its pictures, and yield what is wrong.

    Wrong are a command that fails and a picture in which the verdict on a variant is not seen.
    """
    _prepare(recording)
    with ExitStack() as stack:
        chromium = stack.enter_context(browser()) if CHROMIUM is not None else None
        terminal = stack.enter_context(Terminal(recording.folder))
        hour = _Hour(recording, terminal, chromium, say)
        for step in steps(recording.page):
            yield from hour.take(step)


def _prepare(recording: Recording) -> None:
    """Make a folder that is like a fresh checkout, but for the records of earlier recordings."""
    folder = recording.folder
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    for name in ("ablations", "experiments"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    for name in ("run_experiment.py", "compare.py"):
        shutil.copy(ROOT / name, folder)
    recording.records.mkdir(parents=True, exist_ok=True)
    (folder / "records").symlink_to(recording.records.resolve())
    recording.pictures.mkdir(parents=True, exist_ok=True)


def _clear(folder: Path) -> None:
    """Remove what is in a folder and in projects in it, but for records and caches.

    A link is removed and never followed: the records behind it are the user's own.
    """
    for left in list(folder.iterdir()):
        if left.is_symlink() or left.is_file():
            left.unlink()
        elif left.name == "reports":
            shutil.rmtree(left)
        elif left.name not in _KEPT:
            _clear(left)


class _Hour:
    """The steps that were taken, and the report that the terminal named last."""

    def __init__(
        self, recording: Recording, terminal: Terminal, chromium: Any, say: Callable[[str], None]
    ) -> None:
        self._recording, self._terminal, self._say = recording, terminal, say
        self._chromium = chromium
        self._here = recording.folder
        self._report: Path | None = None

    def take(self, step: Step) -> Iterator[str]:
        """Write the file or give the commands of a step, then take its pictures."""
        if step.file:
            (self._here / step.file).write_text(step.text)
        lines = [at_smoke_size(line) if self._recording.smoke else line for line in step.lines]
        for line in lines:
            self._say(f"$ {line}")
        if lines and self._terminal.type(lines):
            yield f"{'; '.join(lines)} failed:\n{self._terminal.printed[-2000:]}"
        for line in lines:
            if line.startswith("cd "):
                self._here /= line.removeprefix("cd ")
        if named := _REPORT.findall(self._terminal.printed):
            self._report = self._here / named[-1]
        for name in step.pictures:
            yield from self._picture(name, lines)

    def _picture(self, name: str, lines: list[str]) -> Iterator[str]:
        """Take a picture; yield the verdicts that it does not show."""
        if self._report is None:
            yield f"{name}: no command before it has named a report"
            return
        verdicts = verdicts_of(self._report)
        path = self._recording.pictures / name
        if path.suffix == ".svg":
            path.write_text(draw(self._terminal.screen, "; ".join(lines)))
            text = self._terminal.text()
            unseen = [each for each in verdicts if not is_told(*each, text)]
        elif self._chromium is None:
            self._say(f"  {name}: left out, as no Chromium is on the path")
            return
        else:
            width = int(path.stem.rpartition("_")[2])
            screen = first_screen(self._chromium, self._report, width)
            path.write_bytes(screen.picture)
            unseen = [each for each in verdicts if not screen.shows(*each)]
        said = "; ".join(f"{variant} {word}" for variant, word in verdicts)
        self._say(f"  {name}: {path.stat().st_size / 1000:.0f} kB, verdicts: {said}")
        for variant, word in unseen:
            yield f"{name}: does not show that {variant} is {word}"
