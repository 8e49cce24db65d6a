"""Make the console that commands print to, and what is printed in the same way everywhere."""

from __future__ import annotations

import os
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from tempo.core.redaction import redacted

UNKNOWN_WIDTH = 140
"""Columns where the output is no terminal and nothing says how wide it is: files and logs."""


def make_console(*, stderr: bool = False) -> Console:
    """A console that does not squeeze tables into 80 columns when its output goes to a file."""
    console = Console(highlight=False, stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNKNOWN_WIDTH
    return console


def say(console: Console, text: str) -> None:
    """Print a line that is neither wrapped nor taken for markup."""
    console.print(redacted(text), markup=False, highlight=False, soft_wrap=True)


def plain_table(title: str) -> Table:
    """A table without lines, its title on the left."""
    return Table(title=title, title_justify="left", box=None, pad_edge=False)


def duration(seconds: float | None) -> str:
    """`1:02:03`, or a dash while unknown."""
    return "-" if seconds is None else str(timedelta(seconds=round(seconds)))
