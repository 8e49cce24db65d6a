"""The report as files: whole or not at all, alone in the world, and safe from its labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import BinaryIO

import pytest

from tempo.comparison.comparison import Comparison
from tempo.report import document
from tempo.report.document import write_report
from tempo.report.figures import FIGURES
from tempo.report.figures.export import Draws, Made, make
from tempo.report.formats.table import NotApplicable
from tempo.report.pages.gallery import gallery
from tempo.report.pages.study_page import study_page


class Reader(HTMLParser):
    """Tags, ids, links and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id" and value is not None:
                self.ids.append(value)
            if name in {"href", "src", "xlink:href", "action"} and value is not None:
                self.links.append(value)
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: Path) -> Reader:
    return Reader(page.read_text())


ABSENT = NotApplicable("left out of this test")


@pytest.fixture
def forest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw one figure instead of all, where a test is not about figures."""

    def plates(
        draws: Draws[Comparison], comparison: Comparison, formats: Sequence[str]
    ) -> dict[str, Made]:
        forest = make("forest", draws["forest"], comparison, formats)
        return dict.fromkeys(FIGURES, ABSENT) | {"forest": forest}

    monkeypatch.setattr(document, "plates", plates)


def test_every_figure_and_table_is_written(page: Path) -> None:
    folder = page.parent
    for name in FIGURES:
        assert (folder / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
        assert "<svg" in (folder / f"figures/{name}.svg").read_text()
    assert (folder / "table.csv").is_file()
    assert (folder / "report.md").is_file()
    assert "\\toprule" in (folder / "tables/results.tex").read_text()


def test_pdf_figures_embed_their_fonts_as_truetype(page: Path) -> None:
    pdf = (page.parent / "figures/seeds.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_the_page_asks_for_nothing_outside_itself(page: Path) -> None:
    links = read(page).links
    outside = {link for link in links if re.match(r"(?!data:)[a-z]+:|//", link)}
    assert outside == {"http://127.0.0.1:5001/se_dilation"}  # followed by a click alone
    assert "@import" not in page.read_text()
    assert not re.search(r"url\((?!data:|#)", page.read_text())


@pytest.mark.parametrize("which", ["page", "hostile_page"])
def test_ids_are_unique_and_every_link_within_the_page_arrives(
    which: str, request: pytest.FixtureRequest
) -> None:
    reader = read(request.getfixturevalue(which))
    assert [name for name, times in Counter(reader.ids).items() if times > 1] == []
    fragments = {link[1:] for link in reader.links if link.startswith("#")}
    assert fragments <= set(reader.ids)


def test_labels_add_no_element_and_no_handler(page: Path, hostile_page: Path) -> None:
    plain, worst = read(page), read(hostile_page)
    assert worst.tags["script"] == plain.tags["script"]
    assert worst.handlers == []
    assert any("<script>alert(1)</script>" in words for words in worst.words)


def test_labels_name_no_file(page: Path, hostile_page: Path) -> None:
    def names(folder: Path) -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}

    assert names(hostile_page.parent) == names(page.parent)


def test_markdown_holds_no_raw_label(hostile_page: Path) -> None:
    text = (hostile_page.parent / "report.md").read_text()
    assert "<script>" not in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"profile": "demo"}, "This is a demonstration"),
        ({"complete": False, "finished_runs": 3}, "3 of 17 runs have finished"),
        ({"rankable": False}, "Different protocols"),
        ({"stale": ("records changed since",)}, "records changed since"),
    ],
)
def test_what_a_reader_must_know_first_stands_on_top(
    change: dict[str, object], words: str, whole: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = replace(whole, profile=None)
    figures: dict[str, Made] = dict.fromkeys(FIGURES, ABSENT)
    tables = {name: table(quiet) for name, table in document.TABLES.items()}
    before = document.render(study_page(quiet, figures, tables))
    after = document.render(study_page(replace(quiet, **change), figures, tables))
    assert words not in before
    assert words in after
    assert after.index(words) < after.index('class="verdict"')


def test_a_study_in_which_nothing_finished_has_a_page(bare: Comparison, tmp_path: Path) -> None:
    page = write_report(bare, tmp_path)
    words = " ".join(read(page).words)
    assert "No run has finished yet" in words
    assert "Not in this report" in words


@pytest.mark.usefixtures("forest_alone")
def test_what_failed_is_told_with_its_reason(partial: Comparison, tmp_path: Path) -> None:
    page = write_report(partial, tmp_path)
    for text in (page.read_text(), (tmp_path / "report.md").read_text()):
        assert "oom at step 120" in text
        assert "out of memory: asked for 2.1 GiB" in text


@pytest.mark.usefixtures("forest_alone")
def test_a_report_is_rebuilt_in_place_and_forgets_old_figures(
    whole: Comparison, bare: Comparison, tmp_path: Path
) -> None:
    note = tmp_path / "figures" / "mine.txt"
    note.parent.mkdir()
    note.write_text("kept")
    write_report(replace(whole, gallery=()), tmp_path)
    assert (tmp_path / "figures/forest.pdf").is_file()
    assert (tmp_path / "tables/contrasts.tex").is_file()
    write_report(bare, tmp_path)
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["mine.txt"]
    assert not (tmp_path / "tables/contrasts.tex").exists()


def test_a_write_that_breaks_leaves_the_old_page_whole(
    bare: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = write_report(bare, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    written: list[int] = []

    def broken(content: bytes, file: BinaryIO) -> None:
        written.append(file.write(content[: len(content) // 2]))
        if len(written) == 3:
            raise OSError("no space left on device")

    monkeypatch.setattr("tempo.records.files._write", broken)
    with pytest.raises(OSError, match="no space"):
        write_report(replace(bare, question="another"), tmp_path)
    assert page in before
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_the_same_comparison_gives_the_same_bytes(
    whole: Comparison, page: Path, tmp_path: Path
) -> None:
    again = write_report(whole, tmp_path)
    for path in page.parent.rglob("*.*"):
        assert (tmp_path / path.relative_to(page.parent)).read_bytes() == path.read_bytes()
    assert again.read_bytes() == page.read_bytes()


def test_pictures_stop_at_the_budget_and_the_page_says_how_many(
    whole: Comparison,
) -> None:
    everything = gallery(whole)
    assert (everything.kept, everything.total) == (6, 6)
    size = sum(len(item["src"]) for item in everything.clips[0]["pictures"])
    some = gallery(whole, int(2.5 * size))
    assert some.kept == 2
    assert some.total == 6


@pytest.mark.usefixtures("forest_alone")
def test_a_small_report_leaves_pictures_and_formats_out(whole: Comparison, tmp_path: Path) -> None:
    page = write_report(whole, tmp_path, formats=("png",), limit=1_000_000)
    assert page.stat().st_size < 1_000_000
    tight = write_report(whole, tmp_path, formats=("png",), limit=250_000)
    assert 'id="viewer"' not in tight.read_text()
    assert [path.suffix for path in (tmp_path / "figures").iterdir()] == [".png"]
