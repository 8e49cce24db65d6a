"""The recorded first hour: each command of the page works, and each picture shows its verdicts."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from screens import report_picture
from screens.first_hour import ROOT, Recording, record
from screens.page_steps import at_smoke_size, steps
from screens.terminal import COLUMNS, LINES, Terminal
from screens.terminal_picture import COLOURS, INK, draw
from screens.verdicts import is_told, verdicts_of

PAGE = ROOT / "docs" / "first_hour.md"
PICTURES = ROOT / "docs" / "images" / "first_hour"
SMALL = 1_500_000
"""Bytes of all pictures."""


def test_the_page_shows_every_picture_there_is_and_they_are_small() -> None:
    named = [name for step in steps(PAGE) for name in step.pictures]
    kept = {each.name: each.stat().st_size for each in PICTURES.iterdir()}
    assert len(named) == len(set(named))
    assert {*named} == {*kept}
    assert sum(kept.values()) < SMALL


def test_every_picture_is_described_in_words() -> None:
    described = re.findall(r"!\[([^\]]*)\]", PAGE.read_text())
    assert len(described) == len(list(PICTURES.iterdir()))
    assert all(len(words) > 20 for words in described)


def test_a_page_is_read_in_steps(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: takes an hour -->\n```bash\nmake it\n```\n"
        "```bash\ncd here\ntempo status s\n```\n"
        "![a](x/one.svg) and ![b](x/one_390.png)\n"
        '```yaml title="a.yaml"\nstudy: a\n```\n```text\nshown\n```\n'
        "```bash\ntempo run a.yaml\n```\n"
    )
    first, second, third = steps(page)
    assert (first.lines, first.pictures) == (
        ("cd here", "tempo status s"),
        ["one.svg", "one_390.png"],
    )
    assert (second.file, second.text) == ("a.yaml", "study: a\n")
    assert (third.lines, third.pictures) == (("tempo run a.yaml",), [])


@pytest.mark.parametrize(
    ("line", "smaller"),
    [
        ("tempo run a.yaml", "tempo run a.yaml --profile smoke --mlflow off"),
        (
            "python run_experiment.py a/b.yaml --profile demo",
            "python run_experiment.py a/b.yaml --profile smoke --mlflow off",
        ),
        (
            "tempo run a.yaml --profile smoke",
            "tempo run a.yaml --profile smoke --mlflow off",
        ),
        ("tempo compare a", "tempo compare a"),
    ],
)
def test_commands_are_given_at_smoke_size(line: str, smaller: str) -> None:
    assert at_smoke_size(line) == smaller


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path, patience=60) as shell:
        yield shell


def test_the_window_shows_the_end_of_what_was_printed(terminal: Terminal) -> None:
    assert terminal.type(["stty size; seq 100 | sed s/^/line/"]) == 0
    seen = terminal.text().splitlines()
    assert len(seen) == LINES
    assert seen == [f"line{n}" for n in range(100 - LINES + 2, 101)] + ["$"]
    assert "line1\n" in terminal.printed
    assert f"{LINES} {COLUMNS}" in terminal.printed


def test_the_window_begins_clear_at_each_step(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.type(["cat > kept.txt <<END", "two words", "END", "false", "true"]) == 1
    assert (tmp_path / "kept.txt").read_text() == "two words\n"
    assert "$ false\n$ true\n$" in terminal.text()
    assert terminal.type(["cd /", "pwd"]) == 0
    assert terminal.text().splitlines()[:4] == ["$ cd /", "$ pwd", "/", "$"]
    assert "false" not in terminal.printed


def test_a_command_that_does_not_end_is_an_error(tmp_path: Path) -> None:
    with Terminal(tmp_path, patience=60) as shell:
        shell.patience = 1
        with pytest.raises(TimeoutError, match="sleep 60"):
            shell.type(["sleep 60"])
    with Terminal(tmp_path, patience=60) as shell, pytest.raises(EOFError):
        shell.type(["exit"])


def test_a_terminal_is_drawn_letter_by_letter(terminal: Terminal) -> None:
    terminal.type([r"printf 'a \033[31mred\033[0m <&> \033[1;42mbold\033[0m\n'"])
    root = ElementTree.fromstring(draw(terminal.screen, "printf <&>"))
    texts = {each.text: each for each in root if each.tag.endswith("}text")}
    assert texts["red"].get("fill") == COLOURS["red"]
    assert texts["a"].get("fill") == texts["<&>"].get("fill") == INK
    assert texts["bold"].get("font-weight") == "bold"
    # A cell is as wide wherever it stands.
    wide = float(texts["a"].get("textLength", 0))
    assert float(texts["red"].get("textLength", 0)) == pytest.approx(3 * wide)
    left = {word: float(texts[word].get("x", 0)) for word in ("a", "red", "<&>")}
    assert left["red"] - left["a"] == pytest.approx(2 * wide)
    assert left["<&>"] - left["a"] == pytest.approx(6 * wide)
    (behind,) = [each for each in root if each.get("fill") == COLOURS["green"]]
    assert float(behind.get("width", 0)) == pytest.approx(4 * wide)


TABLE = """\
se=off dilation=off  29.46 ± 0.24  -0.12 [-0.41, +0.17]  ○ inconclusive
V2                   29.12 ± 0.10  -0.47 [-0.69, -0.25]  ▾ worse
V3                   29.12 ± 0.10  -0.47 [-0.69, -0.25]
"""


@pytest.mark.parametrize(
    ("variant", "word", "told"),
    [
        ("V2", "worse", True),
        ("V2", "better", False),
        ("V3", "worse", False),
        ("se=off dilation=off", "inconclusive", True),
        ("dilation=off", "inconclusive", False),
    ],
)
def test_a_verdict_is_told_in_the_row_of_its_variant(variant: str, word: str, told: bool) -> None:
    assert is_told(variant, word, TABLE) is told


def test_a_verdict_is_told_in_a_sentence_over_lines() -> None:
    text = "found: se=on\ndilation=off equivalent; V2 worse; and V3\nis better by 1 dB."
    assert is_told("se=on dilation=off", "equivalent", text)
    assert is_told("V2", "worse", text)
    assert is_told("V3", "better", text)
    assert not is_told("V3", "worse", text)


def planted(tmp_path: Path) -> Path:
    """A page with a row in sight, one behind something, one beyond the edge, one far below."""
    rows = "".join(
        f'<tr style="position:absolute;{place}"><th>{name}</th><td class="word">▾ worse</td></tr>'
        for name, place in {
            "seen": "top:100px",
            "behind": "top:200px",
            "beyond": "top:300px;left:370px;width:200px",
            "below": "top:840px",
        }.items()
    )
    page = tmp_path / "index.html"
    page.write_text(
        '<!doctype html><body style="height:2000px">'
        f'<table id="answer"><tbody>{rows}</tbody></table>'
        '<div style="position:absolute;top:190px;width:300px;height:60px;background:red"></div>'
    )
    return page


@pytest.mark.skipif(report_picture.CHROMIUM is None, reason="no Chromium on this machine")
def test_a_verdict_is_in_sight_where_nothing_hides_it(tmp_path: Path) -> None:
    page = planted(tmp_path)
    with report_picture.browser() as chromium:
        screen = report_picture.first_screen(chromium, page, 390)
        wide = report_picture.first_screen(chromium, page, 1280)
    told = {name: screen.shows(name, "worse") for name in ("seen", "behind", "beyond", "below")}
    assert told == {"seen": True, "behind": False, "beyond": False, "below": False}
    assert not screen.shows("seen", "better")
    assert wide.shows("beyond", "worse")
    with Image.open(io.BytesIO(screen.picture)) as image:
        assert image.size == (390, 844)


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("hour")
    return Recording(
        page=PAGE,
        pictures=folder / "pictures",
        folder=folder / "checkout",
        records=folder / "records",
        smoke=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_works_and_every_picture_shows_its_verdicts(
    hour: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    said: list[str] = []
    problems = list(record(hour, said.append))
    # Under three seeds there is no look, of which `tempo status` could tell.
    assert all(each.startswith("status.svg: does not show that ") for each in problems), problems
    made = {each.name for each in hour.pictures.iterdir()}
    wanted = {name for step in steps(PAGE) for name in step.pictures}
    if report_picture.CHROMIUM is None:
        wanted = {name for name in wanted if name.endswith(".svg")}
        assert any("no Chromium" in line for line in said)
    assert made == wanted
    report = hour.folder / "my_study" / "reports" / "my_block" / "index.html"
    ((variant, word),) = verdicts_of(report)
    assert variant == "my_block" and word in {"better", "worse", "equivalent", "inconclusive"}
    _a_verdict_that_scrolled_away_is_a_problem(hour)


def _a_verdict_that_scrolled_away_is_a_problem(hour: Recording) -> None:
    """On the records made above, a command that fails and one that prints too much."""
    page = hour.pictures.parent / "page.md"
    long = "python run_experiment.py ablations/se_dilation.yaml --profile smoke; seq 30"
    page.write_text(f"```bash\n{long}\n```\n![](long.svg)\n```bash\ntempo compare nothing\n```\n")
    again = Recording(
        page=page,
        pictures=hour.pictures,
        folder=hour.folder,
        records=hour.records,
        smoke=True,
    )
    *unseen, failed = record(again, lambda _: None)
    assert any(each.startswith("long.svg: does not show that V2 is ") for each in unseen)
    assert failed.startswith("tempo compare nothing failed:")


def test_a_recording_begins_afresh_but_keeps_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screens.first_hour.CHROMIUM", None)
    page = tmp_path / "page.md"
    page.write_text("```bash\nmkdir project\ncd project\nmkdir -p records reports\n```\n")
    recording = Recording(
        page=page,
        pictures=tmp_path / "pictures",
        folder=tmp_path / "checkout",
        records=tmp_path / "records",
    )
    assert list(record(recording, lambda _: None)) == []
    project = recording.folder / "project"
    kept = [recording.records / "ledger.db", project / "records" / "ledger.db"]
    gone = [project / "study.yaml", project / "reports" / "a" / "index.html"]
    for each in (*kept, *gone):
        each.parent.mkdir(exist_ok=True)
        each.write_text("")
    page.write_text("```bash\ntrue\n```\n")
    assert list(record(recording, lambda _: None)) == []
    assert all(each.exists() for each in kept)
    assert not any(each.exists() for each in gone)
    assert (recording.folder / "records" / "ledger.db").exists()


def test_a_picture_needs_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screens.first_hour.CHROMIUM", None)
    page = tmp_path / "page.md"
    page.write_text("```bash\ntrue\n```\n![](one.svg)\n")
    folder = tmp_path / "checkout"
    recording = Recording(
        page=page, pictures=tmp_path / "pictures", folder=folder, records=tmp_path / "records"
    )
    assert list(record(recording, lambda _: None)) == [
        "one.svg: no command before it has named a report"
    ]
