"""Build the tables of two studies side by side: variants, what came and went, the specs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tempo.comparison.study_changes import Change, Changes
from tempo.report.formats import numbers
from tempo.report.formats.cells import change_cell, verdict_cell
from tempo.report.formats.phrases import interval_kind, sentences, title
from tempo.report.formats.table import Cell, Column, Line, NotApplicable, Table, word_line, words

Fields = Mapping[str, tuple[Any, Any]]

EXPLORATORY = "Exploratory: a rule asks about one study, and none was fixed for these two together."
"""What every verdict between two studies is."""

MOST_FIELDS = 40
"""Differing fields of the spec that `printed` names before the rest is only counted."""


def changed(changes: Changes) -> Table | NotApplicable:
    """Return every variant that both studies have."""
    if not changes.changes:
        return NotApplicable("the studies have no variant in common")
    some = next((each.difference for each in changes.changes if each.difference), None)
    caption = sentences(
        f"{title(changes.info)}, means over finished seeds. Before: {changes.before}; after:",
        f"{changes.after}. The difference is paired by the seeds and clips that both",
        "have, all variants judged as one family.",
        EXPLORATORY,
        interval_kind(some),
    )
    return _changed(changes, caption)


def _changed(changes: Changes, caption: str) -> Table:
    unit = changes.info.unit
    columns = (
        *words("variant"),
        Column("before", unit),
        Column("after", unit),
        Column("difference", unit),
        Column("p, Holm", detail=True),
        *words("verdict"),
        Column("why", numeric=False, detail=True),
    )
    lines = tuple(_line(each, changes, place) for place, each in enumerate(changes.changes))
    return Table("changes", caption, columns, lines)


def _line(each: Change, changes: Changes, place: int) -> Line:
    digits, link = changes.info.digits, f"#v{place}"
    verdict = Cell("the same runs", "the same runs", link, tone="quiet")
    if not each.same_runs:
        verdict = verdict_cell(each.verdict, link, brief=True)
    return Line.of(
        Cell(each.variant, each.variant, link),
        Cell(numbers.fixed(each.before, digits), each.before, link),
        Cell(numbers.fixed(each.after, digits), each.after, link),
        change_cell(each.difference, digits, link),
        Cell(numbers.p_value(each.p_adjusted), each.p_adjusted, link),
        verdict,
        Cell("" if each.same_runs else each.verdict.reason, tone="quiet"),
    )


def printed(changes: Changes) -> Table:
    """Return `changed` as printed alone: what came, went and differs in the specs are notes."""
    heading = f"{changes.before} to {changes.after}"
    return replace(
        _changed(changes, title(changes.info)), title=heading, footnotes=tuple(_notes(changes))
    )


def _notes(changes: Changes) -> Iterator[str]:
    yield EXPLORATORY
    for word, names in (("added", changes.added), ("removed", changes.removed)):
        if names:
            yield f"{word}: {', '.join(map(numbers.shorten, names))}"
    fields = [f"  {path}: {old} -> {new}" for path, (old, new) in changes.spec.items()]
    yield "the specs differ in" if fields else "the specs ask for the same"
    yield from fields[:MOST_FIELDS]
    if len(fields) > MOST_FIELDS:
        yield f"  and {len(fields) - MOST_FIELDS} more fields"


def moved(changes: Changes) -> Table | NotApplicable:
    """Return the variants that only one of the studies has."""
    if not changes.added and not changes.removed:
        return NotApplicable("both studies have the same variants")
    lines = [word_line(name, "added") for name in changes.added]
    lines += [word_line(name, "removed") for name in changes.removed]
    caption = f"Variants that only {changes.after} has (added) or only {changes.before} (removed)."
    return Table("moved", caption, words("variant", "what became of it"), tuple(lines))


def spec(changes: Changes) -> Table | NotApplicable:
    """Return the fields of the specs whose values differ."""
    if not changes.spec:
        return NotApplicable("the specs ask for the same")
    caption = "Fields of the resolved specs that differ; a dash where a spec has no such field."
    lines = tuple(Line(cells) for cells in _fields(changes.spec))
    return Table("spec", caption, words("field", "before", "after"), lines)


def config(changes: Changes) -> Table | NotApplicable:
    """Return the fields of the variants' resolved configurations that differ."""
    lines = tuple(
        Line((Cell(each.variant), *cells))
        for each in changes.changes
        for cells in _fields(each.config)
    )
    if not lines:
        return NotApplicable("every variant asks for the same in both studies")
    caption = "Fields of the variants' configurations that differ between the studies."
    return Table("config", caption, words("variant", "field", "before", "after"), lines)


def _fields(fields: Fields) -> Iterator[tuple[Cell, ...]]:
    for path, values in fields.items():
        texts = (numbers.MISSING if value is None else str(value) for value in values)
        yield Cell(path, path, tone="code"), *map(Cell, texts)


CHANGES_TABLES: dict[str, Callable[[Changes], Table | NotApplicable]] = {
    "changes": changed,
    "moved": moved,
    "config": config,
    "spec": spec,
}
