"""Write a table or a number: the table model, one writer a format, numbers and phrases."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tempo.report.formats.csv_json import csv_text, json_text
from tempo.report.formats.html import to_html
from tempo.report.formats.latex import latex
from tempo.report.formats.markdown import markdown
from tempo.report.formats.table import Table

WRITERS: Mapping[str, Callable[[Table], str]] = {
    "csv": csv_text,
    "html": to_html,
    "json": json_text,
    "latex": latex,
    "md": markdown,
}
"""By the name that the command line gives a format; the terminal has a writer of its own."""
