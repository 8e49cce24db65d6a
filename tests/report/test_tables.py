"""The tables: the same numbers in the page, in CSV, in Markdown and in LaTeX."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.comparison.comparison import Comparison
from tempo.report.formats import numbers
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.formats.writers import csv_text, escape_latex, escape_markdown, latex
from tempo.report.tables import TABLES
from tempo.report.tables.results import data


def build(name: str, comparison: Comparison) -> Table:
    table = TABLES[name](comparison)
    assert isinstance(table, Table)
    return table


def column(table: Table, label: str) -> list[str]:
    index = next(i for i, each in enumerate(table.columns) if each.label.startswith(label))
    return [line.cells[index].text for line in table.lines]


def read_csv(comparison: Comparison) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(data(comparison)))))


def test_results_print_each_mean_spread_and_difference(whole: Comparison) -> None:
    table = build("results", whole)
    for row, psnr, change in zip(
        whole.rows, column(table, "PSNR"), column(table, "Δ PSNR"), strict=True
    ):
        assert psnr == numbers.spread(row.estimates["psnr"], 2)
        contrast = row.contrasts.get("psnr")
        assert change == numbers.change(contrast.difference if contrast else None, 2)


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"claims", "same_size", "set_verdicts"}))
def test_every_table_is_rectangular(name: str, whole: Comparison) -> None:
    table = build(name, whole)
    assert table.lines
    assert {len(line.cells) for line in table.lines} == {len(table.columns)}


@pytest.mark.parametrize("name", ["results", "contrasts", "fronts", "budgets", "strata"])
def test_every_number_links_to_its_runs(name: str, whole: Comparison) -> None:
    table = build(name, whole)
    numeric = [i for i, each in enumerate(table.columns) if each.numeric and each.label != "seeds"]
    cells = [line.cells[i] for line in table.lines for i in numeric]
    assert all(cell.link for cell in cells if cell.value is not None)


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"results"}))
def test_a_study_without_results_has_reasons_instead_of_tables(name: str, bare: Comparison) -> None:
    found = TABLES[name](bare)
    assert isinstance(found, NotApplicable)
    assert found.reason


def test_a_mean_over_fewer_seeds_than_planned_says_so(partial: Comparison) -> None:
    table = build("results", partial)
    assert column(table, "seeds")[1] == "2/3"
    assert "2 of 3" in table.lines[1].note
    assert column(table, "PSNR")[2] == "failed"


def test_csv_keeps_full_precision_and_leaves_gaps_empty(partial: Comparison) -> None:
    lines = read_csv(partial)
    assert [line["variant"] for line in lines] == [row.variant for row in partial.rows]
    for line, row in zip(lines, partial.rows, strict=True):
        estimate = row.estimates.get("psnr")
        assert line["psnr_mean"] == ("" if estimate is None else repr(estimate.mean))
        assert line["parameters"] == ("" if not row.cost.parameters else str(row.cost.parameters))


def test_csv_keeps_hostile_names_apart_and_runs_no_formula(hostile: Comparison) -> None:
    lines = read_csv(hostile)
    assert len(lines) == len(hostile.rows)
    assert not any(value[:1] in set("=+@") for line in lines for value in line.values())


def test_expectations_of_which_nothing_was_measured_have_no_table(whole: Comparison) -> None:
    found = TABLES["claims"](whole)
    assert isinstance(found, NotApplicable)
    assert "upgrade note of V3" in found.reason


def test_a_claim_counts_as_measured_where_its_protocol_is_followed(whole: Comparison) -> None:
    from dataclasses import replace

    same = replace(whole, spec={**whole.spec, "arch": {"base_channels": 64}})
    v2 = same.row("tempo_v2").cost.parameters
    rows = dict(
        zip(
            column(build("claims", same), "quantity"),
            column(build("claims", same), "measured"),
            strict=True,
        )
    )
    assert rows == {"parameters": f"V2 {numbers.count(v2)}"}


@given(st.text())
def test_latex_escapes_leave_balanced_braces_and_no_bare_special(text: str) -> None:
    out = escape_latex(text)
    bare = re.sub(r"\\textbackslash\{\}|\\[a-z]+\{\}|\$\\[A-Za-z]+\$|\$-\$|\\[{}$&#%_,]", "", out)
    assert not set(bare) & set('\\{}$&#%_^"<>|\n\r')
    groups = re.sub(r"\\[{}]", "", out)
    assert groups.count("{") == groups.count("}")


@pytest.mark.parametrize("name", ["results", "contrasts", "effects"])
def test_latex_tables_have_one_cell_per_column(name: str, hostile: Comparison) -> None:
    table = build(name, hostile)
    text = latex(table)
    body = text.split("\\midrule")[1].split("\\bottomrule")[0].strip().splitlines()
    assert len(body) == len(table.lines)
    for line in body:
        assert len(re.findall(r"(?<!\\)&", line)) == len(table.columns) - 1
    assert all(ord(c) < 0x250 for c in text)


@given(st.text())
def test_markdown_escapes_leave_no_markup(text: str) -> None:
    out = escape_markdown(text)
    assert "\n" not in out
    assert "<" not in out
    assert not re.search(r"(?<!\\)(\\\\)*[|`*\[]", out)
