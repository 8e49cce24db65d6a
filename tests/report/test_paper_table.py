"""The table of a paper: what its marks say, and that every form of it holds."""

import csv
import io
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.comparison.query import parse_query
from tempo.records.layout import Store
from tempo.report.document import write_report
from tempo.report.formats.table import BEST, NotApplicable, Table
from tempo.report.formats.writers import csv_text, latex, markdown
from tempo.report.pages.test_set_panels import keys_of
from tempo.report.tables import paper, set_verdicts
from tests.set_records import TestSet, write_sets

from .conftest import HOSTILE

TRAINED = ("V2", "V3", "V3 twin")


def written(make: ModuleType, root: Path, sets: Sequence[TestSet], **more: Any) -> Comparison:
    arms = [
        make.Arm(name="V2"),
        make.Arm(name="V3", gain=0.5),
        make.Arm(name="V3 twin", gain=0.499),
        make.Arm(name="average", role="reference", gain=-2.0),
    ]
    noise = make.Noise(seed=0.05, shared=0.05, clip=0.05, residual=0.05)
    settings = {"seeds": 3, "noise": noise, "baseline": "V2"} | more
    study = make.Study(arms=settings.pop("arms", arms), **settings)
    store = Store(root)
    plan = write_sets(store, study, make.write_study(root, study), sets)
    return compare(store, plan)


@pytest.fixture(scope="module")
def comparison(planted: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    rife = planted.Arm(name="RIFE", gain=1.5, role="reference")
    left = frozenset({(name, seed) for name in TRAINED for seed in range(3)} | {("average", None)})
    sets = [
        TestSet(name="a", title="Set A", methods=[rife]),
        TestSet(name="snu_film:hard", title="SNU-FILM hard", gains={"V3": -0.6}),
        TestSet(name="later", title="Set C", left=left),
    ]
    return written(planted, tmp_path_factory.mktemp("paper"), sets)


def table(comparison: Comparison) -> Table:
    found = paper.build(comparison)
    assert isinstance(found, Table)
    return found


def cells(comparison: Comparison, heading: str) -> dict[str, tuple[str, str]]:
    found = table(comparison)
    place = [each.heading for each in found.columns].index(heading)
    return {line.cells[0].text: (line.cells[place].text, line.cells[place].tone)
            for line in found.lines}  # fmt: skip


def test_rows_are_variants_references_and_methods(comparison: Comparison) -> None:
    names = [line.cells[0].text for line in table(comparison).lines]
    assert names == [*TRAINED, "average", "RIFE"]


def test_columns_are_sets_by_metrics_then_costs(comparison: Comparison) -> None:
    found = table(comparison)
    assert found.groups == (
        ("", 1), ("test clips", 2), ("Set A", 2), ("SNU-FILM hard", 2), ("Set C", 1), ("", 2),
    )  # fmt: skip
    assert [each.own_heading for each in found.columns[-2:]] == ["parameters", "MACs"]


def test_the_best_is_bold_and_what_is_not_told_from_it_has_a_dagger(
    comparison: Comparison,
) -> None:
    own = cells(comparison, "test clips PSNR ↑ (dB)")
    ahead = [own["V3"], own["V3 twin"]]
    assert sorted(tone for _, tone in ahead) == ["", BEST]
    assert [text.endswith("†") for text, tone in ahead if not tone] == [True]
    assert not own["V2"][0].endswith("†")
    assert own["RIFE"] == ("—", "quiet")
    there = cells(comparison, "Set A PSNR ↑ (dB)")
    assert there["RIFE"][1] == BEST
    assert not any(text.endswith("†") for text, _ in there.values())


def test_a_set_without_a_result_has_its_place_and_no_number(comparison: Comparison) -> None:
    assert {text for text, _ in cells(comparison, "Set C PSNR ↑ (dB)").values()} == {"—"}
    assert "Set C: no evaluation has finished" in table(comparison).footnotes


def test_marks_and_full_numbers_are_in_the_csv(comparison: Comparison) -> None:
    rows = {
        row["variant"]: row for row in csv.DictReader(io.StringIO(csv_text(paper.data(comparison))))
    }
    marks = {name: row["test_psnr_mark"] for name, row in rows.items()}
    assert sorted(marks[name] for name in ("V3", "V3 twin")) == ["best", "not worse"]
    assert (marks["V2"], marks["average"], marks["RIFE"]) == ("worse", "worse", "")
    estimate = comparison.row("V3").estimates["psnr"]
    assert rows["V3"]["test_psnr_mean"] == repr(estimate.mean)
    assert rows["V3"]["snu_film:hard_psnr_verdict"] == "worse"
    assert rows["RIFE"]["a_psnr_seeds"] == ""
    assert rows["V3"]["later_psnr_mean"] == ""


def test_latency_has_a_column_where_it_was_measured(comparison: Comparison) -> None:
    from dataclasses import replace

    rows = [replace(row, cost=replace(row.cost, latency_ms=12.5)) for row in comparison.rows]
    measured = replace(comparison, rows=tuple(rows))
    assert table(measured).columns[-1].heading == "latency (ms)"
    assert "latency (ms)" not in [each.heading for each in table(comparison).columns]


def test_markdown_is_bold_where_the_best_is(comparison: Comparison) -> None:
    text = markdown(table(comparison))
    best = comparison.best[0].best
    mean = f"{comparison.row(best).estimates['psnr'].mean:.2f}"
    assert f"| {best} | **{mean}** |" in text


def test_the_report_holds_the_table_in_each_form_and_a_panel_a_set(
    comparison: Comparison, tmp_path: Path
) -> None:
    page = write_report(comparison, tmp_path, formats=())
    for end in ("md", "csv", "tex"):
        assert (tmp_path / f"paper_table.{end}").read_text()
    text = page.read_text()
    for anchor in ("paper", "on-a", "on-snu_film_hard", "on-later"):
        assert f'<section id="{anchor}"' in text
    assert 'id="figure-forest_snu_film_hard"' in text
    assert 'id="table-results_snu_film_hard"' in text
    assert "The sets disagree: V3 against V2 is better" in text
    assert "(secondary)" not in text.split('<section id="on-a"')[1].split("</section>")[0]


def test_a_small_report_leaves_the_strata_of_sets_out(
    comparison: Comparison, tmp_path: Path
) -> None:
    whole = write_report(comparison, tmp_path / "whole", formats=()).read_text()
    small = write_report(comparison, tmp_path / "small", formats=(), limit=1_000_000).read_text()
    assert "figure-strata_a" in whole
    assert "figure-strata_a" not in small
    assert "figure-forest_a" in small
    assert len(small) < 1_000_000


def test_verdicts_stand_by_set(comparison: Comparison) -> None:
    found = set_verdicts.build(comparison)
    assert isinstance(found, Table)
    assert {len(line.cells) for line in found.lines} == {len(found.columns)}
    v3 = found.lines[1].cells
    assert [cell.tone for cell in v3[1:]] == ["better", "better", "worse", "quiet"]
    assert v3[3].text.startswith("▾\N{NO-BREAK SPACE}−0.")


def test_sets_whose_names_read_alike_have_panels_of_their_own(
    planted: ModuleType, tmp_path: Path
) -> None:
    sets = [TestSet(name="my/videos"), TestSet(name="my videos"), TestSet(name="日本")]
    assert len(keys_of(written(planted, tmp_path, sets))) == 3


def test_sets_of_one_title_have_columns_of_their_own(planted: ModuleType, tmp_path: Path) -> None:
    sets = [
        TestSet(name="a", title="films"),
        TestSet(name="b", title="films"),
        TestSet(name="test"),
    ]
    comparison = written(planted, tmp_path, sets)
    headings = [each.heading for each in table(comparison).columns]
    assert len(set(headings)) == len(headings) == 1 + 4 * 2 + 2
    keys = [each.heading for each in paper.data(comparison).columns]
    assert len(set(keys)) == len(keys) == 2 + 4 * 2 * 10 + 3


def test_validation_and_studies_without_sets(planted: ModuleType, tmp_path: Path) -> None:
    comparison = written(planted, tmp_path, [])
    assert isinstance(set_verdicts.build(comparison), NotApplicable)
    assert [name for name, _ in table(comparison).groups] == ["", "test clips", ""]
    store = Store(tmp_path)
    at = compare(store, store.load_plan("planted"), parse_query(at="best-val"))
    assert isinstance(paper.build(at), NotApplicable)


@pytest.mark.parametrize("kind", ["planted", "hostile"])
def test_latex_compiles(
    kind: str, comparison: Comparison, planted: ModuleType, tmp_path: Path
) -> None:
    program = shutil.which("pdflatex") or shutil.which("xelatex")
    if program is None:
        pytest.skip("no LaTeX on this machine; texlive-latex-recommended of Debian has one")
    if kind == "hostile":
        names = [name.replace("\x00", "").replace("\ud800", "") for name in HOSTILE]
        arms = [planted.Arm(name=name) for name in names]
        sets = [TestSet(name="a_%&#", title=HOSTILE[4]), TestSet(name="b", title="Ünï: 日本")]
        comparison = written(planted, tmp_path, sets, arms=arms, baseline=names[0])
    packages = "".join(f"\\usepackage{{{each}}}" for each in ("booktabs", "graphicx", "amssymb"))
    verdicts = set_verdicts.build(comparison)
    assert isinstance(verdicts, Table)
    body = latex(table(comparison)) + latex(verdicts)
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass{{article}}{packages}\\usepackage[T1]{{fontenc}}\n"
        f"\\begin{{document}}\n{body}\\end{{document}}\n"
    )
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 5000
    assert b"Overfull \\hbox" not in done.stdout or kind == "hostile"
