"""Numbers of things and lists that stop, as messages write them."""

import pytest

from tempo.core.counted import listed_up_to


@pytest.mark.parametrize(
    ("names", "said"),
    [((), ""), (("a",), "a"), (("a", "b"), "a, b"), (("a", "b", "c", "d"), "a, b and 2 more")],
)
def test_a_list_stops_and_counts_the_rest(names: tuple[str, ...], said: str) -> None:
    assert listed_up_to(2, names) == said
