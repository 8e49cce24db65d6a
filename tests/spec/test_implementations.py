"""Tables of implementations: one entry a kind, checked against the options catalogue."""

from __future__ import annotations

from typing import Literal

import pytest

from tempo.core.errors import UnknownNameError
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options, OptionsCatalog, kinds


class Plain(Options):
    kind: Literal["plain"] = "plain"


class Wide(Options):
    kind: Literal["wide"] = "wide"
    by: int = 2


class OtherPlain(Options):
    kind: Literal["plain"] = "plain"


def plain(options: Plain, width: int) -> int:
    return width


def wide(options: Wide, width: int, *, plus: int = 0) -> int:
    return options.by * width + plus


@pytest.fixture
def catalogue() -> OptionsCatalog:
    return kinds("shape", Plain, Wide)


def test_what_implements_a_kind_is_found_and_called_with_its_options(
    catalogue: OptionsCatalog,
) -> None:
    table = Implementations(catalogue, {Plain: plain, Wide: wide})
    assert table.of(Plain()) is plain
    assert table.make(Wide(by=3), 5, plus=1) == 16
    assert list(table) == ["plain", "wide"]
    assert "wide" in table
    assert table.missing == []


def test_a_kind_without_an_implementation_is_missing_and_named(catalogue: OptionsCatalog) -> None:
    table = Implementations(catalogue, {Plain: plain})
    assert table.missing == ["wide"]
    with pytest.raises(UnknownNameError, match=r"unknown shape 'wide' \(known: plain\)"):
        table.make(Wide(), 1)


@pytest.mark.parametrize("stray", [OtherPlain, Wide])
def test_options_that_the_catalogue_does_not_hold_are_refused(stray: type[Options]) -> None:
    with pytest.raises(ValueError, match=f"{stray.__name__} is not in the catalogue of shapes"):
        Implementations(kinds("shape", Plain), {stray: plain})


def test_an_added_kind_can_be_named_until_it_is_removed(catalogue: OptionsCatalog) -> None:
    catalogue.remove("wide")
    table = Implementations(catalogue, {Plain: plain})
    table.add(Wide, wide)
    assert catalogue.get("wide") is Wide
    assert table.make(Wide(), 4) == 8
    table.remove("wide")
    assert "wide" not in table
    assert "wide" not in catalogue


def test_options_registered_before_what_implements_them_are_kept(
    catalogue: OptionsCatalog,
) -> None:
    table = Implementations(catalogue, {Plain: plain})
    table.add(Wide, wide)
    assert table.missing == []
    assert list(catalogue) == ["plain", "wide"]


@pytest.mark.parametrize("taken", [Plain, OtherPlain])
def test_a_name_that_is_taken_is_refused(catalogue: OptionsCatalog, taken: type[Options]) -> None:
    table = Implementations(catalogue, {Plain: plain})
    with pytest.raises(ValueError, match="shape 'plain' is already registered"):
        table.add(taken, plain)
