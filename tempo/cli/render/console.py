"""Make the console that commands print to."""

from __future__ import annotations

import os

from rich.console import Console

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
    console.print(text, markup=False, highlight=False, soft_wrap=True)
