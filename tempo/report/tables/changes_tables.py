"""The tables of two studies side by side: variants, what came and went, the specs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tempo.compare.study_changes import Change, Changes
from tempo.report.applicability import NotApplicable
from tempo.report.formats import numbers
from tempo.report.formats.phrases import interval_kind, sentences, title
from tempo.report.formats.table import Cell, Column, Line, Table, verdict_cell


def changed(changes: Changes) -> Table | NotApplicable:
    """Every variant that both studies have."""
    if not changes.changes:
        return NotApplicable("the studies have no variant in common")
    unit = changes.info.unit
    columns = (
        Column("variant", numeric=False),
        Column("before", unit),
        Column("after", unit),
        Column("difference", unit),
        Column("p, Holm"),
        Column("verdict", numeric=False),
        Column("why", numeric=False),
    )
    some = next((each.difference for each in changes.changes if each.difference), None)
    caption = sentences(
        f"{title(changes.info)}, means over finished seeds. Before: {changes.before}; after:",
        f"{changes.after}. The difference is paired by the seeds and clips that both",
        "have, all variants judged as one family.",
        interval_kind(some),
    )
    lines = tuple(_line(each, changes, place) for place, each in enumerate(changes.changes))
    return Table("changes", caption, columns, lines)


def _line(each: Change, changes: Changes, place: int) -> Line:
    digits, link = changes.info.digits, f"#v{place}"
    difference = each.difference
    verdict = Cell("the same runs", "the same runs", link, tone="quiet")
    if not each.same_runs:
        verdict = verdict_cell(each.verdict, link, brief=True)
    return Line(
        (
            Cell(each.variant, each.variant, link),
            Cell(numbers.fixed(each.before, digits), each.before, link),
            Cell(numbers.fixed(each.after, digits), each.after, link),
            Cell(
                numbers.change(difference, digits), difference.value if difference else None, link
            ),
            Cell(numbers.p_value(each.p_adjusted), each.p_adjusted, link),
            verdict,
            Cell("" if each.same_runs else each.verdict.reason, tone="quiet"),
        )
    )


def moved(changes: Changes) -> Table | NotApplicable:
    """Variants that only one of the studies has."""
    if not changes.added and not changes.removed:
        return NotApplicable("both studies have the same variants")
    columns = (Column("variant", numeric=False), Column("what became of it", numeric=False))
    lines = [Line((Cell(name, name), Cell("added"))) for name in changes.added]
    lines += [Line((Cell(name, name), Cell("removed"))) for name in changes.removed]
    caption = f"Variants that only {changes.after} has (added) or only {changes.before} (removed)."
    return Table("moved", caption, columns, tuple(lines))


def spec(changes: Changes) -> Table | NotApplicable:
    """Fields of the specs whose values differ."""
    if not changes.spec:
        return NotApplicable("the specs ask for the same")
    caption = "Fields of the resolved specs that differ; a dash where a spec has no such field."
    return _fields("spec", caption, {"": changes.spec})


def config(changes: Changes) -> Table | NotApplicable:
    """Fields of the variants' resolved configurations that differ."""
    differ = {each.variant: each.config for each in changes.changes if each.config}
    if not differ:
        return NotApplicable("every variant asks for the same in both studies")
    caption = "Fields of the variants' configurations that differ between the studies."
    return _fields("config", caption, differ)


def _fields(name: str, caption: str, groups: Mapping[str, Mapping[str, tuple[Any, Any]]]) -> Table:
    columns = [Column(each, numeric=False) for each in ("variant", "field", "before", "after")]
    lines = [
        Line((Cell(variant), Cell(path, path, tone="code"), Cell(_say(old)), Cell(_say(new))))
        for variant, fields in groups.items()
        for path, (old, new) in fields.items()
    ]
    if len(groups) == 1 and "" in groups:
        columns, lines = columns[1:], [Line(line.cells[1:]) for line in lines]
    return Table(name, caption, tuple(columns), tuple(lines))


def _say(value: Any) -> str:
    return numbers.MISSING if value is None else str(value)


CHANGES_TABLES: dict[str, Callable[[Changes], Table | NotApplicable]] = {
    "changes": changed,
    "moved": moved,
    "config": config,
    "spec": spec,
}


@dataclass(frozen=True, slots=True)
class ChangedRuns:
    """The runs behind a variant's two means. `place` is the number in its anchor."""

    place: int
    variant: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def run_groups(changes: Changes) -> tuple[ChangedRuns, ...]:
    """One group a variant that both studies have."""
    return tuple(
        ChangedRuns(place, each.variant, each.runs_before, each.runs_after)
        for place, each in enumerate(changes.changes)
    )
