"""Every law on every preset and every registered part."""

from __future__ import annotations

import pytest

from tests.models.conformance import LAWS, points

POINTS = points()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("point", POINTS)
def test_law(point: str, law: str) -> None:
    LAWS[law](POINTS[point])
