"""Compose a panel for each further test set of a study: its forest, its table, what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial

from tempo.comparison.comparison import Comparison, SetComparison
from tempo.core.counted import counted
from tempo.report.figures import forest, strata
from tempo.report.figures.drawing import Drawing
from tempo.report.formats.cells import Links
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.pages.page import Section, text
from tempo.report.tables import paper, results, set_verdicts


def keys_of(comparison: Comparison) -> dict[str, SetComparison]:
    """Return the sets by what their figures, tables and files are called."""
    found: dict[str, SetComparison] = {}
    for place, each in enumerate(comparison.test_sets, 1):
        key = re.sub(r"[^a-z0-9]+", "_", each.name.lower()).strip("_")[:40] or str(place)
        found[f"{key}_{place}" if key in found else key] = each
    return found


def set_figures(
    comparison: Comparison, *, with_strata: bool
) -> dict[str, Callable[[Comparison], Drawing | NotApplicable]]:
    """Return what draws a forest of each set on which something finished, and its strata."""
    draws: dict[str, Callable[[Comparison], Drawing | NotApplicable]] = {}
    for key, each in keys_of(comparison).items():
        if each.found is not None:
            draws[f"forest_{key}"] = partial(_drawn, forest.draw, each.found)
        if each.found is not None and with_strata:
            draws[f"strata_{key}"] = partial(_drawn, strata.draw, each.found)
    return draws


def _drawn(
    draw: Callable[[Comparison], Drawing | NotApplicable], found: Comparison, _: Comparison
) -> Drawing | NotApplicable:
    return draw(found)


def set_tables(comparison: Comparison) -> dict[str, Table | NotApplicable]:
    """Return the table of results on each set on which something finished."""
    links = Links.of(comparison)
    return {
        f"results_{key}": _table(each.found, f"results_{key}", links)
        for key, each in keys_of(comparison).items()
        if each.found is not None
    }


def _table(found: Comparison, name: str, links: Links) -> Table:
    """Return the results on a set, whose links lead to the runs that the page lists."""
    table = results.build(found)
    lines = tuple(
        replace(
            line,
            cells=tuple(
                replace(cell, link=links.to(row.variant)) if cell.link else cell
                for cell in line.cells
            ),
        )
        for line, row in zip(table.lines, found.rows, strict=True)
    )
    without_costs = [each.label not in ("parameters", "MACs", "time") for each in table.columns]
    return replace(table, name=name, lines=lines).with_columns(without_costs)


def set_sections(comparison: Comparison, figures: Collection[str]) -> Iterator[Section]:
    """Yield the section of the paper's table and of all verdicts, and one for each set.

    `figures` are the names of those that were made: a small report has fewer.
    """
    yield Section(
        "paper", "The table for a paper", (f"table:{paper.NAME}", f"table:{set_verdicts.NAME}")
    )
    for key, each in keys_of(comparison).items():
        drawn = (f"figure:{n}_{key}" for n in ("forest", "strata") if f"{n}_{key}" in figures)
        table = (f"table:results_{key}",) if each.found is not None else ()
        parts = (f"about_{key}", *table, *drawn)
        yield Section(f"on-{key}", f"On {each.title}", parts, about=_finished(each))


def _finished(each: SetComparison) -> str:
    return f"{each.finished_runs} of {counted(each.planned_runs, 'evaluation')} finished"


def set_texts(comparison: Comparison) -> dict[str, str]:
    """Return by name what the sections of test sets say in words."""
    return {
        f"about_{key}": text("test_set.html", sentences=[*_about(each)])
        for key, each in keys_of(comparison).items()
    }


def _about(each: SetComparison) -> Iterator[str]:
    """Yield what is missing on a set, then its protocol field by field."""
    yield from each.sentences or (f"{_finished(each)}.",)
    for protocol in each.found.protocols if each.found else ():
        fields = ", ".join(f"{name} {value}" for name, value in protocol.fields.items())
        ranked = "" if protocol.ranked else ", not ranked"
        yield f"Protocol {protocol.hash}{ranked}: {fields}."
