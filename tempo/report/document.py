"""Write a report: a page, its figures and its tables as files, from a comparison alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tempo.comparison.comparison import Comparison
from tempo.records.files import write_together
from tempo.report.figures import FIGURES
from tempo.report.figures.export import FORMATS, Plate, plates
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.formats.writers import (
    csv_text,
    escape_markdown,
    latex,
    markdown,
    markdown_lines,
)
from tempo.report.pages.gallery import BUDGET
from tempo.report.pages.page import Page, render
from tempo.report.pages.study_page import study_page
from tempo.report.pages.summary import Box
from tempo.report.pages.test_set_panels import set_figures, set_tables
from tempo.report.tables import TABLES, paper, results

PAGE = "index.html"

LIMIT = 15_000_000
WORDS = 300_000
"""Bytes of a page beside its figures and pictures: type, style, script, tables, runs."""


def write_report(
    comparison: Comparison,
    folder: Path,
    *,
    formats: Sequence[str] = tuple(FORMATS),
    limit: int = LIMIT,
) -> Path:
    """Write a page, `report.md`, `table.csv`, `paper_table.*`, `figures/` and `tables/`.

    Returns the page, `index.html`.

    Args:
        formats: of the figures beside the page, of `png`, `pdf` and `svg`.
        limit: bytes that the page should stay under; gallery pictures are left out for it, and
            below the default the strata of further test sets too.
    """
    figures = plates(
        {**FIGURES, **set_figures(comparison, with_strata=limit >= LIMIT)}, comparison, formats
    )
    tables = {name: build(comparison) for name, build in TABLES.items()}
    tables |= set_tables(comparison)
    drawn = sum(plate.size for plate in figures.values() if isinstance(plate, Plate))
    left_for_pictures = min(BUDGET, max(0, limit - drawn - WORDS))
    page = study_page(comparison, figures, tables, left_for_pictures, folder)
    beside = {"table.csv": csv_text(results.data(comparison))} | _paper(comparison, tables)
    return write_page(page, folder, {name: text.encode() for name, text in beside.items()})


def _paper(comparison: Comparison, tables: Mapping[str, Table | NotApplicable]) -> dict[str, str]:
    """Return the table of a paper as files by name; nothing where the study has none."""
    table = tables[paper.NAME]
    if isinstance(table, NotApplicable):
        return {}
    return {
        f"{paper.NAME}.md": markdown(table),
        f"{paper.NAME}.csv": csv_text(paper.data(comparison)),
        f"{paper.NAME}.tex": latex(table),
    }


def write_page(page: Page, folder: Path, extra: Mapping[str, bytes] | None = None) -> Path:
    """Write any page with its figures and tables, and `extra` files beside the page.

    Everything is rendered and on the disk before the first file is replaced, the page last: a
    report that breaks half-way, or for which the disk is full, leaves the old one, complete.
    Figures and tables of an earlier report that no longer apply are removed.
    """
    files = dict(extra or {})
    for plate in page.figures.values():
        if isinstance(plate, Plate):
            files |= {f"figures/{plate.name}.{end}": data for end, data in plate.files.items()}
    for table in page.tables.values():
        if isinstance(table, Table):
            files[f"tables/{table.name}.tex"] = latex(table).encode()
            files[f"tables/{table.name}.csv"] = csv_text(table).encode()
    files["report.md"] = ("\n".join(_markdown(page)) + "\n").encode()
    files[PAGE] = render(page).encode()
    _replace(folder, files)
    return folder / PAGE


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    write_together(folder, files)
    for place, suffixes in (("figures", tuple(FORMATS)), ("tables", ("tex", "csv"))):
        for path in (folder / place).glob("*"):
            if f"{place}/{path.name}" not in files and path.suffix[1:] in suffixes:
                path.unlink()


def _markdown(page: Page) -> Iterator[str]:
    """Yield the verdict, the tables and the figures as files; viewer and runs are left out."""
    yield f"# {escape_markdown(page.title)}\n"
    if page.question:
        yield f"*{escape_markdown(page.question)}*\n"
    for banner in page.summary.banners:
        yield f"> **{escape_markdown(banner.title)}.** {escape_markdown(banner.text)}\n"
    yield from (f"**{escape_markdown(sentence)}**\n" for sentence in page.summary.lead)
    yield f"**{escape_markdown(page.summary.verdict)}**\n"
    yield from (f"- {escape_markdown(each.text)}" for each in page.summary.notes)
    yield ""
    for box in page.summary.boxes:
        yield from _box(box)
    for name, table in page.tables.items():
        if isinstance(table, Table):
            yield f"## {escape_markdown(name.replace('_', ' ').capitalize())}\n"
            yield from markdown_lines(table)
    for plate in page.figures.values():
        if isinstance(plate, Plate) and "png" in plate.files:
            yield f"![{escape_markdown(plate.caption)}](figures/{plate.name}.png)\n"
            yield f"*{escape_markdown(plate.caption)}*\n"


def _box(box: Box) -> Iterator[str]:
    yield f"## {escape_markdown(box.title)}\n"
    yield from (
        f"- {escape_markdown(name)}: {escape_markdown(value)}"
        for name, value in box.entries.items()
    )
    yield from (f"- {escape_markdown(each.text)}" for each in box.remarks)
    if not box.entries and not box.remarks:
        yield escape_markdown(box.empty)
    yield ""
