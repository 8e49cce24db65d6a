"""Figures and tables of plug-ins stand in a report, and one that fails leaves it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tempo.comparison.comparison import Comparison
from tempo.core.errors import PluginError, UnknownNameError
from tempo.core.plugins.parts import remove_part
from tempo.launch.launchers.catalog import LAUNCHERS
from tempo.plugins import register_named
from tempo.report.formats.table import NotApplicable
from tempo.report.pages.study_page import _of_plugins
from tempo.report.tables import TABLES


def told(comparison: Comparison) -> NotApplicable:
    return NotApplicable("it says nothing")


def failing(comparison: Comparison) -> NotApplicable:
    raise KeyError("missing")


@pytest.fixture
def added() -> Iterator[None]:
    names = {"own_table": told, "own_failure": failing}
    for name, build in names.items():
        register_named("table", name, build)
    register_named("launcher", "own_launcher", f"{__name__}:told")
    yield
    for name in names:
        remove_part("table", name)
    remove_part("launcher", "own_launcher")


@pytest.mark.usefixtures("added")
def test_parts_of_plugins_follow_those_of_tempo() -> None:
    assert list(TABLES)[-2:] == ["own_table", "own_failure"] and "results" in TABLES
    (section,) = _of_plugins()
    assert section.parts == ("table:own_table", "table:own_failure")
    nothing: Comparison = None  # type: ignore[assignment]
    assert TABLES["own_table"](nothing) == NotApplicable("it says nothing")
    failed = TABLES["own_failure"](nothing)
    assert isinstance(failed, NotApplicable)
    assert failed.reason == "the table 'own_failure' of a plug-in raises KeyError: 'missing'"


@pytest.mark.usefixtures("added")
def test_a_launcher_of_a_plugin_is_found_and_named() -> None:
    assert LAUNCHERS.get("own_launcher") is told
    known = "known: local, inline, torchrun, slurm, ray, own_launcher"
    with pytest.raises(UnknownNameError, match=known):
        LAUNCHERS.get("elsewhere")


def test_without_plugins_a_report_has_no_section_of_theirs() -> None:
    assert _of_plugins() == ()


def test_an_unknown_table_of_parts_names_the_known_ones() -> None:
    with pytest.raises(PluginError, match="unknown table of parts 'figur'; did you mean 'figure'"):
        register_named("figur", "own", told)
