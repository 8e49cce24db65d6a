"""Fixtures of the searches."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tempo.tuning.backend import importance
from tempo.tuning.session import Search

from . import simulate

Open = Callable[..., Search]


@pytest.fixture
def open_search(tmp_path: Path) -> Open:
    """Opens the planted search under overrides, always on the same records."""

    def opened(*overrides: str, text: str = simulate.SPEC, **options: object) -> Search:
        loaded = simulate.load(tmp_path, overrides, text)
        return simulate.open_search(loaded, tmp_path / "records", **options)

    return opened


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here survives a power cut, and a journal waits for the disk at every write."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of importance cost most of a summary's time."""
    monkeypatch.setattr(importance, "RESAMPLES", 3)
    monkeypatch.setattr(importance, "PERMUTATIONS", 3)
