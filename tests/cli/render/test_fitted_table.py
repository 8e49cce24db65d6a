"""Tables that fit: what is cut, what is left out, and that rows stay on one line."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from tempo.cli.render.fitted_table import (
    SHORTEST,
    FittedColumn,
    bar,
    column,
    grid,
    lay_out,
    short_names,
)

NAMES = st.lists(st.text(st.sampled_from("ab=_ 12"), max_size=60), min_size=1, max_size=6)


@given(names=NAMES, length=st.integers(SHORTEST, 40))
def test_short_names_fit_and_can_be_told_apart(names: list[str], length: int) -> None:
    short = short_names(names, length)
    assert all(len(label) <= length for label in short.values())
    lines = {" ".join(name.split()) for name in names}
    if len(lines) == len(set(names)):
        assert len(set(short.values())) == len(set(names))
    for name, label in short.items():
        if len(" ".join(name.split())) <= length and "(" not in label:
            assert label == " ".join(name.split())


def test_the_cut_is_where_names_differ() -> None:
    names = [f"attention=on rate=a_{word}_learning_rate s0" for word in ("high", "usual")]
    first, second = short_names(names, 30).values()
    assert first != second
    assert "(" not in first + second


def test_names_that_no_cut_tells_apart_are_numbered() -> None:
    names = ["a" * 20 + letter + "b" * 20 for letter in "xyz"]
    assert list(short_names(names, 10).values())[1:] == ["aaaa…bb(2)", "aaaa…bb(3)"]


def columns(names: list[str], numbers: list[float]) -> list[FittedColumn]:
    cells = [Text(f"{number:.2f}") for number in numbers[: len(names)]]
    cells += [Text("-")] * (len(names) - len(cells))
    return [
        column("name", [Text(name) for name in names], least=10, grow=2),
        column("value", cells, kind="number"),
        column("more", cells, 1, kind="number", left_out="more"),
        column("last", cells, 3, kind="number", left_out="last"),
    ]


@given(names=NAMES, numbers=st.lists(st.floats(-999, 999), max_size=6), width=st.integers(24, 120))
def test_rows_are_lines_within_the_width(
    names: list[str], numbers: list[float], width: int
) -> None:
    layout = lay_out(columns(names, numbers), width)
    console = Console(width=width, file=io.StringIO())
    console.print(grid(layout))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == len(names) + 2
    assert max(map(len, lines)) <= width
    shown = [each.heading for each in layout.columns]
    assert shown[:2] == ["name", "value"]
    assert set(layout.left_out) == {"more", "last"} - set(shown)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (25, ["name", "value"]),
        (26, ["name", "value", "more"]),
        (60, ["name", "value", "more", "last"]),
    ],
)
def test_columns_come_in_the_order_of_their_places(width: int, shown: list[str]) -> None:
    layout = lay_out(columns(["n" * 10], [123.45]), width)
    assert [each.heading for each in layout.columns] == shown


def test_sentences_go_on_in_the_next_line() -> None:
    why = "the worker was killed and the run is tried again"
    cells = [Text(why)]
    layout = lay_out([column("why", cells, least=12, folds=True)], 20)
    console = Console(width=20, file=io.StringIO())
    console.print(grid(layout))
    assert isinstance(console.file, io.StringIO)
    assert " ".join(console.file.getvalue().split()[2:]) == why


def test_a_bar_shows_its_share_without_colour() -> None:
    assert bar(0.5, 10).plain == "━" * 5 + "─" * 5
    assert (bar(-1, 4).plain, bar(2, 4).plain) == ("────", "━━━━")
