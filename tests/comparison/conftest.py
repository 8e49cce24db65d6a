"""Planted studies: records whose numbers are known, written by `tests/record_generator.py`."""

from types import ModuleType

import pytest

from tests import record_generator


@pytest.fixture(scope="session")
def planted() -> ModuleType:
    return record_generator
