"""What changed between two studies, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tempo.compare.render.grid import MISSING, change, shorten
from tempo.compare.render.terminal import COLOURS
from tempo.compare.study_changes import Change, Changes

DIGITS = 3
MOST_FIELDS = 40
"""Differing fields of the spec shown before the rest is only counted."""


def changes_text(changes: Changes) -> RenderableType:
    """A table of the variants that both studies have, what was added and removed, the spec."""
    title = f"{shorten(changes.before)} -> {shorten(changes.after)}, {changes.metric}"
    parts: list[RenderableType] = [Text(title, style="bold"), _table(changes)]
    for word, names in (("added", changes.added), ("removed", changes.removed)):
        if names:
            parts.append(Text(f"{word}: {', '.join(map(shorten, names))}"))
    return Group(*parts, *_spec(changes.spec))


def _table(changes: Changes) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold")
    for heading in ("before", "after", "difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    for each in changes.changes:
        word = each.verdict.word.value
        cells = (shorten(each.variant), _number(each.before), _number(each.after))
        verdict = Text(_verdict(each), style=COLOURS.get(word, ""))
        table.add_row(*map(Text, cells), Text(change(each.difference, DIGITS)), verdict)
    return table


def _verdict(each: Change) -> str:
    return "the same runs" if each.same_runs else each.verdict.word.value


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.{DIGITS}f}"


def _spec(fields: Mapping[str, tuple[Any, Any]]) -> list[Text]:
    lines = [Text(f"  {path}: {old} -> {new}") for path, (old, new) in fields.items()]
    if not lines:
        return [Text("the specs ask for the same")]
    more = len(lines) - MOST_FIELDS
    rest = [Text(f"  and {more} more fields")] if more > 0 else []
    return [Text("the specs differ in"), *lines[:MOST_FIELDS], *rest]
