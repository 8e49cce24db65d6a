"""What a page promises beside its numbers: links that arrive, labels apart, nothing said twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.text import Text

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Verdict, Word
from tempo.core.records import MetricInfo
from tempo.report.figures import FIGURES, style
from tempo.report.figures.drawing import Drawing
from tempo.report.formats.table import Table
from tempo.report.pages.gallery import gallery
from tempo.report.pages.page import FACES, TEMPLATES
from tempo.report.pages.runs import link_to, run_groups
from tempo.report.tables import TABLES

from . import make_fonts


def test_a_run_links_to_its_folder_where_that_exists(whole: Comparison, tmp_path: Path) -> None:
    page, folder = tmp_path / "reports" / "study", tmp_path / "my records" / "runs" / "a#1"
    folder.mkdir(parents=True)
    first, second, *rest = whole.runs
    runs = (replace(first, folder=folder), replace(second, folder=tmp_path / "gone"), *rest)
    cells = [run[0] for run in next(run_groups(replace(whole, runs=runs), page)).runs]
    assert cells[0].link == "../../my%20records/runs/a%231/"
    assert cells[1].link == ""
    assert link_to(Path("runs/kept"), page) == ""  # an example names runs, and has none


@pytest.mark.parametrize("values", [(23.34, 29.10), (27.1, 27.12), (99.0, 98.9)])
def test_no_label_of_the_seeds_stands_on_another(
    whole: Comparison, values: tuple[float, float]
) -> None:
    given = dict(zip(("nearest", "average"), values, strict=True))
    rows = tuple(
        replace(row, estimates={"psnr": replace(row.estimates["psnr"], mean=given[row.variant])})
        if row.variant in given
        else row
        for row in whole.rows
    )
    with mpl.rc_context(style.rc()):
        drawn = FIGURES["seeds"](replace(whole, rows=rows))
        assert isinstance(drawn, Drawing)
        drawn.figure.draw_without_rendering()
        texts = [
            each
            for each in drawn.figure.findobj(Text)
            if isinstance(each, Text) and each.get_text() and each.get_visible()
        ]
        boxes = {each.get_text(): each.get_window_extent() for each in texts}
    assert set(given) <= set(boxes)
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        assert not (a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1), (one, other)


def test_references_do_not_stretch_the_axis_of_seeds(whole: Comparison) -> None:
    def ends(comparison: Comparison) -> tuple[float, float]:
        drawn = FIGURES["seeds"](comparison)
        assert isinstance(drawn, Drawing)
        return drawn.figure.axes[0].get_xlim()

    rows = tuple(row for row in whole.rows if row.role != "reference")
    assert ends(whole) == ends(replace(whole, rows=rows))


def test_a_reason_of_several_rows_stands_once(whole: Comparison) -> None:
    few = Verdict(word=Word.INCONCLUSIVE, reason="fewer than 3 paired seeds")
    rows = tuple(
        replace(
            row,
            contrasts={name: replace(each, verdict=few) for name, each in row.contrasts.items()},
        )
        for row in whole.rows
    )
    contrasts = tuple(replace(each, verdict=few) for each in whole.contrasts)
    table = TABLES["contrasts"](replace(whole, rows=rows, contrasts=contrasts))
    assert isinstance(table, Table)
    said = Counter(cell.text for line in table.lines for cell in line.cells)
    assert few.reason not in said
    assert table.footnotes == (f"8 rows: {few.reason}",)


def test_validation_and_test_never_share_a_table(whole: Comparison) -> None:
    (view,) = whole.budgets
    size = replace(view, budget="parameters", at=165000.0, unit="parameters", split="test")
    both = replace(whole, budgets=(view, size))
    spent, alike = TABLES["budgets"](both), TABLES["same_size"](both)
    assert isinstance(spent, Table) and isinstance(alike, Table)
    assert "on the validation clips" in spent.caption and "test" not in spent.caption
    assert "on the test clips" in alike.caption and "validation" not in alike.caption
    assert [len(table.columns) for table in (spent, alike)] == [2, 2]


def test_a_plateau_is_said_by_step_and_by_epoch_of_one_definition(whole: Comparison) -> None:
    (each,) = whole.learning
    flat = replace(whole, learning=(replace(each, plateau=400, plateau_epoch=6.25),))
    table = TABLES["learning"](flat)
    assert isinstance(table, Table)
    found = {
        column.label: cell.text
        for column, cell in zip(table.columns, table.lines[0].cells, strict=True)
    }
    assert (found["plateau from step"], found["that is epoch"]) == ("400", "6.2")


def test_two_different_variants_are_shown_at_first(whole: Comparison) -> None:
    assert gallery(whole).pair == ("se=on,dilation=mixed", "se=off,dilation=mixed")
    last = whole.trained[-1].variant
    other = gallery(replace(whole, baseline=last)).pair
    assert other == (last, "se=on,dilation=mixed")
    alone = [whole.trained[0], *whole.references]
    assert gallery(replace(whole, rows=tuple(alone))).pair == ("se=on,dilation=mixed", "average")


def test_a_metric_of_which_less_is_better_is_named_by_its_size(whole: Comparison) -> None:
    from tempo.report.formats.answer_sentence import answer_sentence

    info = MetricInfo(name="psnr", unit="ms", better="lower", digits=2, definition="a time")
    better = Verdict(word=Word.BETTER, reason="given")
    contrasts = (replace(whole.contrasts[0], verdict=better),)
    said = answer_sentence(replace(whole, metrics=(info,), contrasts=contrasts))
    assert said.endswith("se=off,dilation=mixed is better by 0.18 ms [0.02, 0.34].")


def test_the_typeface_of_the_page_is_cut_from_the_one_of_figures() -> None:
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    assert {name for name, *_ in FACES} == set(make_fonts.FACES.values())
    from io import BytesIO

    from fontTools.ttLib import TTFont

    for source, target in make_fonts.FACES.items():
        kept = TTFont(TEMPLATES / target)
        again = TTFont(BytesIO(make_fonts.cut(fonts / source)))
        assert kept.getBestCmap() == again.getBestCmap()
        assert kept["name"].getDebugName(1) == make_fonts.NAME
        assert set(map(ord, "±−×…–—·“”äß")) <= set(kept.getBestCmap())
    regular = TTFont(TEMPLATES / "serif-regular.woff")
    assert set(map(ord, "Δ≈▴▾○→")) <= set(regular.getBestCmap())
    assert "SIL OPEN FONT LICENSE" in (TEMPLATES / "serif-licence.txt").read_text()
