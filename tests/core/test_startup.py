"""Loading without the collector, which works as before afterwards."""

from __future__ import annotations

import gc

import pytest

from tempo.core.startup import loading


def test_nothing_is_collected_in_the_block_and_what_was_loaded_stays() -> None:
    before = gc.get_freeze_count()
    with loading():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)


def test_the_collector_comes_back_after_an_error() -> None:
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()
