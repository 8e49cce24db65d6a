"""The results of a study in terminals of 60 to 200 columns, in colour and without."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tempo.cli.render.results import print_results
from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.records.layout import Store
from tests.record_generator import Arm, Study, write_study

LONG = "attention=squeeze_and_excitation rate=a_{}_learning_rate"
ARMS = [
    Arm(name=LONG.format("usual"), levels={"rate": "usual"}, config={"arch": {"se": "usual"}}),
    Arm(
        name=LONG.format("high"),
        gain=-0.6,
        levels={"rate": "high"},
        config={"arch": {"se": "high"}},
    ),
    Arm(name="V2", gain=0.7, levels={"rate": "V2"}, config={"arch": {"se": "V2"}}),
    Arm(name="average", gain=-2.0, role="reference"),
]
WIDTHS = [60, 80, 100, 160, 200]


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    root = tmp_path_factory.mktemp("decided")
    study = Study(arms=ARMS, seeds=4, baseline=ARMS[0].name, question="which rate is better?")
    return compare(Store(root), write_study(root, study))


def printed(
    comparison: Comparison,
    width: int,
    *,
    height: int = 24,
    terminal: bool = False,
    on_page: bool = False,
    colour: bool = True,
) -> str:
    console = Console(
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=terminal,
        no_color=not colour,
        color_system="standard" if terminal else None,
    )
    print_results(comparison, console, on_page=on_page)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rows(text: str) -> list[str]:
    """The rows of the table: the lines between the headings' rule and the next empty line."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("───"))
    end = next(n for n, line in enumerate(lines) if n > start and not line.strip())
    return lines[start + 1 : end]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_variant_has_one_line_with_its_verdict(decided: Comparison, width: int) -> None:
    text = printed(decided, width)
    assert max(map(len, text.splitlines())) <= width
    found = [line.rstrip() for line in rows(text)]
    assert len(found) == len(ARMS)
    baseline, worse, better, reference = found
    assert " baseline" in baseline
    assert re.search(r"-0\.\d\d \[-\d\.\d\d, [-+]\d\.\d\d\] +▾ worse", worse)
    assert re.search(r"\+0\.\d\d \[\+\d\.\d\d, \+\d\.\d\d\] +▴ better", better)
    assert "▾ worse" in reference


def test_the_answer_comes_first_and_once(decided: Comparison) -> None:
    lines = printed(decided, 160).splitlines()
    assert lines[0].startswith("planted: which rate is better?")
    assert lines[1].startswith("Against ")
    answer = " ".join(lines[1:3])
    assert "V2 is better by 0." in answer and "is worse by" in answer and " dB [" in answer
    assert "\n".join(lines).count("Against ") == 1


def test_long_names_are_cut_in_the_middle_and_stay_apart(decided: Comparison) -> None:
    usual, high, *_ = (line.split()[0:2] for line in rows(printed(decided, 80)))
    assert usual != high
    for line in rows(printed(decided, 80))[:2]:
        assert re.match(r"\S.*…\S*", line)
    assert LONG.format("usual") in printed(decided, 200)


def test_further_columns_come_with_the_width(decided: Comparison) -> None:
    heads = {width: printed(decided, width).partition("───")[0] for width in WIDTHS}
    assert all("PSNR" in head and "verdict" in head for head in heads.values())
    assert "SSIM" not in heads[80] and "SSIM" in heads[160]
    assert "parameters" not in heads[80] and "parameters" in heads[200]
    assert "A wider terminal shows more" in printed(decided, 80)
    assert "A wider terminal shows more" not in printed(decided, 200)


def test_colours_are_the_terminals_own(decided: Comparison) -> None:
    """Named colours and no background are legible on light and on dark."""
    text = printed(decided, 80, terminal=True)
    codes = {int(n) for code in re.findall(r"\x1b\[([\d;]*)m", text) for n in code.split(";") if n}
    assert codes <= {0, 1, 2, *range(30, 38)}
    assert {31, 32} <= codes
    plain = printed(decided, 80, terminal=True, colour=False)
    assert not re.search(r"\x1b\[[\d;]*3\dm", plain)
    assert "▴ better" in plain


def test_the_answer_stays_in_sight_in_a_low_terminal(decided: Comparison) -> None:
    """Two lines are left for the report's place and the prompt."""
    text = printed(decided, 80, terminal=True, on_page=True, height=20)
    assert len(text.splitlines()) <= 18
    assert "The page says more" in text and "Rule," not in text
    for whole in (printed(decided, 80, terminal=True, height=20), printed(decided, 80)):
        assert "Rule," in whole and "Protocol " in whole
    assert "Rule," in printed(decided, 80, terminal=True, on_page=True, height=60)


def test_a_study_of_one_variant_has_no_verdict_to_show(tmp_path: Path) -> None:
    study = Study(arms=[ARMS[2], ARMS[3]], seeds=2)
    text = printed(compare(Store(tmp_path), write_study(tmp_path, study)), 80)
    assert "Nothing to compare" in text.partition("───")[0]
    assert text.count("Nothing to compare") == 1


def test_what_is_missing_is_said_before_the_verdicts(tmp_path: Path) -> None:
    broken = Arm(name="odd", broken=frozenset({0, 1}), config={"arch": {"se": "odd"}})
    study = Study(arms=[ARMS[0], broken, ARMS[2]], seeds=2, baseline=ARMS[0].name)
    text = printed(compare(Store(tmp_path), write_study(tmp_path, study)), 80)
    before = text.partition("───")[0]
    assert before.index("Incomplete: odd") < before.index("Against ")
    assert any(line.startswith("odd") and "failed" in line for line in rows(text))
