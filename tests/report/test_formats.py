"""One table in every format: the same numbers under the same names, whatever writes them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from tempo.cli.render.tables import print_table
from tempo.comparison.comparison import Comparison
from tempo.report.document import write_report
from tempo.report.formats.table import Cell, Column, Line, Table, of_records, words
from tempo.report.formats.writers import WRITERS, csv_text, markdown, to_html
from tempo.report.tables import results

HOSTILE = Table(
    "hostile",
    "<b>caption</b> & more",
    (*words("na<me"), Column("value", "dB", hint='"quoted"')),
    (Line((Cell("<script>alert(1)</script>", "x"), Cell("1.50", 1.5)), "a <note>"),),
    ("foot & note",),
)


def terminal(table: Table) -> str:
    console = Console(width=200, file=io.StringIO(), force_terminal=False)
    print_table(table, console)
    return console.file.getvalue()


def test_low_and_high_bound_the_mean_and_the_difference_has_its_own(whole: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(results.data(whole)))))
    for line, row in zip(rows, whole.rows, strict=True):
        estimate, contrast = row.estimates["psnr"], row.contrasts.get("psnr")
        for end in ("low", "high"):
            bound = getattr(estimate, end)
            assert line[f"psnr_{end}"] == ("" if bound is None else repr(bound))
            change = getattr(contrast.difference, end) if contrast else None
            assert line[f"psnr_difference_{end}"] == ("" if change is None else repr(change))


def test_the_reports_csv_is_the_command_lines(whole: Comparison, tmp_path: Path) -> None:
    write_report(replace(whole, gallery=()), tmp_path, formats=())
    assert (tmp_path / "table.csv").read_text() == WRITERS["csv"](results.data(whole))


def test_a_count_reads_the_same_in_a_terminal_as_on_the_page(whole: Comparison) -> None:
    cost = replace(whole.rows[0].cost, parameters=999_600)
    large = replace(whole, rows=(replace(whole.rows[0], cost=cost), *whole.rows[1:]))
    assert "1.00 M" in terminal(results.printed(large))
    assert "e+" not in terminal(results.printed(large))
    page = results.build(large)
    place = [column.label for column in page.columns].index("parameters")
    assert page.lines[0].cells[place].text == "1.00\u2009M"


def test_every_format_prints_the_same_cells(whole: Comparison) -> None:
    table = results.printed(whole)
    for row in whole.rows:
        mean = f"{row.estimates['psnr'].mean:.2f}"
        for text in (terminal(table), *(write(table) for write in WRITERS.values())):
            assert mean in text or repr(row.estimates["psnr"].mean) in text


def test_records_hold_numbers_as_they_are_and_none_where_missing() -> None:
    given = [{"name": "a", "x": 0.1 + 0.2, "n": None}, {"name": "b", "x": None, "n": 3}]
    table = of_records("given", given)
    assert table.records() == given
    assert json.loads(WRITERS["json"](table)) == given
    assert csv_text(table) == "name,x,n\na,0.30000000000000004,\nb,,3\n"


class Tags(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_html_is_escaped_and_loads_nothing() -> None:
    made = Tags(to_html(HOSTILE))
    assert set(made.tags) == {
        "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "small"
    }  # fmt: skip
    assert made.attributes == {"style", "title"}
    assert "<script>alert(1)</script>" in made.words
    assert "<b>caption</b> & more" in made.words
    assert {"a <note>", "foot & note"} <= set(made.words)


def test_a_note_names_its_line_in_markdown() -> None:
    text = markdown(HOSTILE)
    assert "- &lt;script&gt;alert(1)&lt;/script&gt;: a &lt;note&gt;" in text
    assert markdown(replace(HOSTILE, caption="1. no list")).startswith("1\\. no list")


@pytest.mark.parametrize("name", WRITERS)
def test_a_table_without_lines_is_written(name: str) -> None:
    assert "value" in WRITERS[name](replace(HOSTILE, lines=())) or name == "json"
