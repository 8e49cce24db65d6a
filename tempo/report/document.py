"""Writing a report: a page, its figures and its tables, from a comparison and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tempo.compare.comparison import Comparison
from tempo.records.files import write_atomic
from tempo.report.csv_table import results_csv
from tempo.report.export import FORMATS, Plate, plates
from tempo.report.latex import latex
from tempo.report.markdown import report_md
from tempo.report.page import render
from tempo.report.tables import TABLES
from tempo.report.tables.grid import Table

PAGE = "index.html"


def write_report(comparison: Comparison, folder: Path) -> Path:
    """Write `index.html`, `report.md`, `table.csv`, `figures/` and `tables/`; returns the page.

    Everything is rendered before anything is written, and each file is replaced as a whole, the
    page last: a report that breaks half-way leaves the old page, complete. Figures and tables of
    an earlier report that no longer apply are removed.
    """
    figures = plates(comparison)
    tables = {name: build(comparison) for name, build in TABLES.items()}
    files: dict[str, bytes] = {}
    for plate in figures.values():
        if isinstance(plate, Plate):
            files |= {f"figures/{plate.name}.{end}": data for end, data in plate.files.items()}
    for table in tables.values():
        if isinstance(table, Table):
            files[f"tables/{table.name}.tex"] = latex(table).encode()
    files["report.md"] = report_md(comparison, figures, tables).encode()
    files["table.csv"] = results_csv(comparison).encode()
    files[PAGE] = render(comparison, figures, tables).encode()
    _replace(folder, files)
    return folder / PAGE


def _write(data: bytes, file: BinaryIO) -> None:
    file.write(data)


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        write_atomic(folder / name, partial(_write, data))
    for place, suffixes in (("figures", FORMATS), ("tables", ("tex",))):
        for path in (folder / place).glob("*"):
            stale = f"{place}/{path.name}" not in files and path.suffix[1:] in suffixes
            if stale:
                path.unlink()
