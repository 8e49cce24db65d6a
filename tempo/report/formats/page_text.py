"""Tables of a page as text for a terminal or a pipe: Markdown, CSV, LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tempo.report.formats.csv_table import table_csv
from tempo.report.formats.latex import latex
from tempo.report.formats.markdown import table_md
from tempo.report.formats.table import Table

PRINTERS: Mapping[str, Callable[[Table], str]] = {
    "md": lambda table: "\n".join(table_md(table)) + "\n",
    "csv": table_csv,
    "latex": latex,
}
