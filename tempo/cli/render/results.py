"""Print the results table of a comparison."""

from __future__ import annotations

from rich.console import Console

from tempo.compare.comparison import Comparison
from tempo.compare.render.terminal import terminal


def print_table(comparison: Comparison, console: Console) -> None:
    """Print the results table for a terminal."""
    console.print(terminal(comparison))
