"""Numbers as printed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.comparison.statistics.quantities import Interval
from tempo.report.formats import numbers

finite = st.floats(-1e9, 1e9)


@given(finite, st.integers(0, 6))
def test_a_printed_number_reads_back_to_its_digits(value: float, digits: int) -> None:
    text = numbers.fixed(value, digits)
    assert "-" not in text
    # Reading it back rounds once more, which shows in numbers near the end of float64.
    tolerance = 0.5001 * 10**-digits + math.ulp(value)
    assert abs(float(text.replace(numbers.MINUS, "-")) - value) <= tolerance


@given(finite, st.integers(0, 6))
def test_a_difference_carries_its_sign_unless_it_prints_as_zero(value: float, digits: int) -> None:
    text = numbers.signed(value, digits)
    if round(value, digits) == 0:
        assert text[0] not in f"+{numbers.MINUS}"
    else:
        assert text[0] == ("+" if value > 0 else numbers.MINUS)


def test_what_is_missing_is_never_zero() -> None:
    assert numbers.fixed(None, 2) == numbers.MISSING
    assert numbers.spread(None, 2) == numbers.MISSING
    assert numbers.change(None, 2) == numbers.MISSING
    assert numbers.count(None) == numbers.MISSING
    assert numbers.duration(None) == numbers.MISSING
    assert numbers.memory(None) == numbers.MISSING
    assert numbers.fixed(math.nan, 2) == "not a number"


def test_an_interval_is_printed_only_where_there_is_one() -> None:
    assert numbers.change(Interval(value=0.42), 2) == "+0.42"
    both = Interval(value=0.42, low=-0.1, high=0.94)
    assert numbers.change(both, 2) == f"+0.42 [{numbers.MINUS}0.10, +0.94]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(999, "999"), (3_980_000, "3.98 M"), (999_999, "1.00 M"), (12_400_000_000, "12.4 G")],
)
def test_counts_have_three_digits_and_a_prefix(value: float, text: str) -> None:
    assert numbers.count(value).replace(numbers.THIN, " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8.44, "8.44 s"), (200, "3 min 20 s"), (18_120, "5 h 02 min"), (183_600, "2 d 3 h")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert numbers.duration(seconds).replace(numbers.THIN, " ") == text


@given(st.floats(0, 1))
def test_a_share_is_never_rounded_to_certainty(share: float) -> None:
    text = numbers.percent(share)
    assert (text == "100%") == (share == 1)
    assert (text == "0%") == (share == 0)


@given(st.lists(st.text(), unique=True, max_size=12), st.integers(12, 40))
def test_labels_are_distinct_short_and_printable(names: list[str], length: int) -> None:
    table = numbers.labels(names, length)
    assert list(table) == names
    assert len(set(table.values())) == len(names)
    assert all(label.isprintable() and label for label in table.values())
    assert all(len(label) <= length + 1 for label in table.values())
