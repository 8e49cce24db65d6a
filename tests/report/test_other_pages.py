"""The pages of a search and of two studies, as files and in a browser."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tempo.comparison.comparison import Comparison
from tempo.report.figures.drawing import Drawing
from tempo.report.figures.forest import draw_changes, largest_changes
from tempo.report.formats.table import Table
from tempo.report.pages.changes_page import verdict, write_changes_report
from tempo.report.pages.search_page import write_search_report
from tempo.report.tables.changes import changed

from . import sample_changes, sample_search
from .conftest import HOSTILE
from .test_document import read
from .test_page import Opened, axe

PAGES = ["search_page", "changes_page", "hostile_search", "hostile_changes"]


@pytest.fixture(scope="module")
def search_page(whole: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    return write_search_report(sample_search.summary(), folder, whole, formats=("png", "pdf"))


@pytest.fixture(scope="module")
def hostile_search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile_search")
    return write_search_report(sample_search.hostile(HOSTILE), folder, formats=())


@pytest.fixture(scope="module")
def changes_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("changes")
    command = "python compare.py february --against january"
    return write_changes_report(sample_changes.changes(), folder, command=command)


@pytest.fixture(scope="module")
def hostile_changes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile_changes")
    return write_changes_report(sample_changes.hostile(HOSTILE), folder, formats=())


@pytest.mark.parametrize("which", PAGES)
def test_ids_are_unique_links_arrive_and_labels_add_nothing(
    which: str, request: pytest.FixtureRequest
) -> None:
    reader = read(request.getfixturevalue(which))
    assert [name for name, times in Counter(reader.ids).items() if times > 1] == []
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    folder = request.getfixturevalue(which).parent
    outside = {each for each in reader.links if not each.startswith(("#", "data:", "http:"))}
    assert all((folder / unquote(link)).exists() for link in outside)
    assert reader.handlers == []
    assert reader.tags["script"] <= 3


def test_figures_tables_and_markdown_stand_beside_the_page(
    search_page: Path, changes_page: Path
) -> None:
    for name in ("history", "confirmation", "importance", "parallel", "slices", "intermediate"):
        assert (search_page.parent / f"figures/{name}.png").is_file()
        assert (search_page.parent / f"figures/{name}.pdf").is_file()
        assert not (search_page.parent / f"figures/{name}.svg").exists()
    rows = list(csv.DictReader((search_page.parent / "tables/trials.csv").open()))
    best = sample_search.summary().trial(sample_search.summary().best[0])
    assert float(rows[0]["PSNR (dB)"]) == best.values[0]
    assert "\\toprule" in (changes_page.parent / "tables/changes.tex").read_text()
    assert "Shrinkage from the search" in (search_page.parent / "report.md").read_text()


def test_the_search_page_shows_the_confirmed_trials_on_test(search_page: Path) -> None:
    reader = read(search_page)
    assert "table-results" in reader.ids
    assert "viewer" in reader.ids


def test_the_forest_of_changes_is_the_changes() -> None:
    changes = sample_changes.changes()
    drawing = draw_changes(changes)
    assert isinstance(drawing, Drawing)
    dots = [line for line in drawing.figure.axes[0].lines if len(line.get_xdata()) == 1]
    found = [each.difference.value for each in largest_changes(changes) if each.difference]
    assert [float(line.get_xdata()[0]) for line in dots] == found


def test_the_table_of_changes_tells_the_same_runs_and_the_missing() -> None:
    table = changed(sample_changes.changes())
    assert isinstance(table, Table)
    cells = {line.cells[0].text: [cell.text for cell in line.cells] for line in table.lines}
    assert cells["V2"][3] == "+0.52 [+0.32, +0.72]"
    assert cells["same"][5] == "the same runs"
    assert cells["lost"][2:5] == ["—", "—", "—"]


def test_the_verdict_counts_what_got_better_and_worse() -> None:
    said = verdict(sample_changes.changes())
    assert said == (
        "In PSNR, of 7 variants in both studies: 2 got better, 1 got worse, 1 equivalent, "
        "2 inconclusive, 1 is the same runs."
    )


@pytest.mark.parametrize("which", PAGES)
def test_the_pages_are_silent_alone_and_fit(
    browser: Any, which: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    it = Opened(browser, path, "main")
    for width in (1280, 390):
        it.page.set_viewport_size({"width": width, "height": 900})
        assert it.page.evaluate("document.documentElement.scrollWidth") <= width
    it.context.close()
    assert it.trouble == []
    assert [url for url in it.requests if not url.startswith("data:")] == [path.as_uri()]


def test_trials_sort_and_filter_by_mouse_and_keyboard(browser: Any, search_page: Path) -> None:
    it = Opened(browser, search_page, "main")
    header = it.page.locator("#grid-trials thead th", has_text="lr").locator("button")
    header.click()
    lr = {t.variant: t.params.get("lr") for t in sample_search.summary().trials}
    rising = [lr[name] for name in it.names("trials")]
    assert rising[:-1] == sorted(value for value in rising if value is not None)
    header.press("Enter")
    assert [lr[name] for name in it.names("trials")] == [*rising[:-1][::-1], None]
    it.page.locator("[data-filters=grid-trials]").focus()
    it.page.keyboard.type("FAILED finite")
    failed = {t.variant for t in sample_search.summary().trials if t.state == "failed"}
    assert set(it.names("trials")) == failed
    it.context.close()


def test_changes_filter_and_a_number_leads_to_its_runs(browser: Any, changes_page: Path) -> None:
    it = Opened(browser, changes_page, "main")
    it.open_all()
    it.page.locator("[data-filters=grid-changes]").fill("worse")
    assert it.names("changes") == ["V3"]
    it.page.locator("#grid-changes tbody tr:visible td a").first.click()
    assert it.page.locator("#v1").evaluate("node => node.open")
    it.context.close()


@pytest.mark.parametrize(
    ("which", "scheme"),
    [("search_page", "light"), ("search_page", "dark"), ("changes_page", "light")],
)
def test_axe_finds_nothing_serious(
    browser: Any, which: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    script = axe()
    if script is None:
        pytest.skip("axe-core is not here: npm install --prefix .ci axe-core, or set AXE_CORE")
    it = Opened(
        browser, request.getfixturevalue(which), "main", color_scheme=scheme, bypass_csp=True
    )
    it.page.add_script_tag(content=script.read_text())
    found = it.page.evaluate("axe.run().then(result => result.violations)")
    it.context.close()
    grave = [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]
    assert grave == []
