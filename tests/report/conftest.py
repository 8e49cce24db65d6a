"""Comparisons to render, and a browser to look at the pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tempo.comparison.comparison import Comparison
from tempo.report.document import write_report

from ..comparison.conftest import planted  # noqa: F401
from . import sample

HOSTILE = (
    "<script>alert(1)</script>",
    "../../x",
    "n" * 300,
    "🦊 dé日本\u202eabc\x00\ud800",
    r"\input{x} $x^2$ 50% & #1_{a}~|[]`*`",
    "\"quoted\" onmouseover=alert(1) 'x'",
)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def whole(pictures: Path) -> Comparison:
    return sample.comparison(pictures / "whole")


@pytest.fixture(scope="session")
def partial(pictures: Path) -> Comparison:
    return sample.partial(pictures / "partial")


@pytest.fixture(scope="session")
def bare(pictures: Path) -> Comparison:
    return sample.bare(pictures / "bare")


@pytest.fixture(scope="session")
def hostile(pictures: Path) -> Comparison:
    return sample.hostile(pictures / "hostile", HOSTILE)


@pytest.fixture(scope="session")
def page(whole: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(whole, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def hostile_page(hostile: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(hostile, tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; tests that need one are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()
