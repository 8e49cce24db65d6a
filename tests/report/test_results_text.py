"""The table as text, with labels that would break a careless writer."""

import csv as csv_reader
import io
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from tempo.cli.render.tables import print_table
from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.comparison.query import Query
from tempo.records.layout import Store
from tempo.report.formats.cells import contrast_cell
from tempo.report.formats.writers import csv_text, json_text, latex, markdown
from tempo.report.pages.headlines import sort_headline
from tempo.report.pages.study_page import study_summary
from tempo.report.tables.differences import contrasts
from tempo.report.tables.results import data, printed

HOSTILE = [
    "<script>alert(1)</script>",
    "../../x",
    "x" * 300,
    "\U0001f600 naïve Ω",
    r"50% & $x_1^2$ \input{/etc/passwd} #1 ~ {}",
    "[bold red]markup[/] | pipe `code` [a](http://b)",
    "=cmd|' /C calc'!A0",
    "line\nbreak\tand \x1b[31mcontrol\x07",
    "% comment",
]


@pytest.fixture(scope="module")
def hostile(planted: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    arms = [
        planted.Arm(name=name, levels={"a & <b>": name}, config={"arch": {"se": name}})
        for name in HOSTILE
    ]
    arms.append(planted.Arm(name="average", gain=-2.0, role="reference"))
    root = tmp_path_factory.mktemp("hostile")
    study = planted.Study(
        arms=arms, seeds=2, baseline=HOSTILE[0], question="is <b>x</b> \\better\\ than $y$?"
    )
    return compare(Store(root), planted.write_study(root, study))


def terminal(comparison: Comparison, width: int = 160) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_table(printed(comparison), console)
    return console.file.getvalue()


def test_the_terminal_shows_markup_as_text(hostile: Comparison) -> None:
    text = terminal(hostile, 400)
    assert "[bold red]markup[/]" in text
    assert "\x1b" not in text and "\x07" not in text
    assert "…" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_narrow_terminals_lose_no_row(hostile: Comparison, width: int) -> None:
    assert terminal(hostile, width).count("2/2") >= len(HOSTILE)


def test_markdown_has_one_line_a_row_and_no_html(hostile: Comparison) -> None:
    text = markdown(printed(hostile))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == len(HOSTILE) + 3
    assert "<" not in text
    columns = {line.replace("\\|", "").count("|") for line in table}
    assert len(columns) == 1


def test_csv_reads_back_and_runs_no_formula(hostile: Comparison) -> None:
    lines = list(csv_reader.DictReader(io.StringIO(csv_text(data(hostile)))))
    assert [line["variant"].removeprefix("'") for line in lines] == [*HOSTILE, "average"]
    assert not any(line["variant"].startswith("=") for line in lines)
    assert float(lines[1]["psnr_mean"]) == hostile.rows[1].estimates["psnr"].mean
    assert lines[-1]["parameters"] == ""


def test_json_is_strict_and_whole(hostile: Comparison) -> None:
    read = json.loads(json_text(hostile), parse_constant=pytest.fail)
    assert [row["variant"] for row in read["rows"]] == [*HOSTILE, "average"]
    assert read["contrasts"][0]["verdict"]["word"] == "inconclusive"
    assert set(read) == set(Comparison.__dataclass_fields__)


def test_latex_escapes_every_label(hostile: Comparison) -> None:
    text = latex(printed(hostile))
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.strip()]
    assert len(rows) == len(HOSTILE) + 1
    assert {line.replace(r"\&", "").count("&") for line in rows} == {9}
    assert all(line.endswith(r"\\") for line in rows)
    assert r"\input" not in text
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    assert "U+1F600" in text
    depth = 0
    for place, letter in enumerate(text):
        if letter in "{}" and text[place - 1] != "\\":
            depth += 1 if letter == "{" else -1
        assert depth >= 0
    assert depth == 0


def test_the_notes_name_protocol_place_and_verdict(hostile: Comparison) -> None:
    text = " ".join(terminal(hostile).split())
    assert "the test split, of the checkpoint that each run chose on validation" in text
    assert f"Protocol {hostile.protocols[0].hash}" in text
    assert "every verdict is inconclusive" in text


def test_failed_and_missing_are_words(planted: ModuleType, tmp_path: Path) -> None:
    arms = [
        planted.Arm(name="a"),
        planted.Arm(name="b", broken=frozenset({0, 1, 2})),
        planted.Arm(name="c", absent=frozenset({0, 1, 2})),
        planted.Arm(name="d", broken=frozenset({1})),
    ]
    plan = planted.write_study(tmp_path, planted.Study(arms=arms, seeds=3, baseline="a"))
    text = markdown(printed(compare(Store(tmp_path), plan)))
    lines = {line.split("|")[2].strip(): line for line in text.splitlines() if "|" in line}
    assert "failed" in lines["b"] and "0/3" in lines["b"]
    assert "missing" in lines["c"]
    assert "2/3" in lines["d"]
    assert "3 steps in a row were not finite" in text
    assert "3 of 12 planned runs have not started" in text


def test_what_the_rule_does_not_ask_is_labelled_wherever_it_is_printed(
    planted: ModuleType, tmp_path: Path
) -> None:
    arms = [planted.Arm(name=name, gain=gain) for name, gain in {"a": 0.0, "b": 2.0}.items()]
    plan = planted.write_study(tmp_path, planted.Study(arms=arms, seeds=4, baseline="a"))
    own, asked = (compare(Store(tmp_path), plan, query) for query in (Query(), Query(delta=0.2)))
    assert "better (exploratory)" in markdown(printed(asked))
    assert "exploratory" not in markdown(printed(own))
    assert "better (secondary)" in markdown(contrasts(own))
    for found, kinds in ((own, ("rule", "secondary")), (asked, ("exploratory", "exploratory"))):
        row = list(csv_reader.DictReader(io.StringIO(csv_text(data(found)))))[1]
        assert (row["psnr_kind"], row["ssim_kind"]) == kinds
        value = json.loads(json_text(found))
        assert [each["kind"] for each in value["contrasts"]] == list(kinds)
        assert value["rule"]["delta"] == {"psnr": 0.05}
    titles = [banner.title for banner in study_summary(asked).banners]
    assert "Exploratory" in titles
    assert "Exploratory" not in [banner.title for banner in study_summary(own).banners]
    assert any(line.startswith("Rule, ") for line in sort_headline(own).precision)


def test_a_word_of_an_earlier_look_says_with_how_many_seeds(
    planted: ModuleType, tmp_path: Path
) -> None:
    arms = [planted.Arm(name=name, gain=gain) for name, gain in {"a": 0.0, "b": 2.0}.items()]
    plan = planted.write_study(tmp_path, planted.Study(arms=arms, seeds=5, baseline="a"))
    found = compare(Store(tmp_path), plan).contrast("b")
    assert found is not None
    assert contrast_cell(found).text.endswith("better")
    assert contrast_cell(replace(found, decided_at=3)).text.endswith("better at 3 seeds")
    assert contrast_cell(replace(found, decided_at=5)).text.endswith("better")
