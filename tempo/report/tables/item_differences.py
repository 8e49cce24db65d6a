"""Build the tables of what two runs, variants or studies differ in, and of a study's variants."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tempo.comparison.comparison import Comparison
from tempo.comparison.differences.difference import (
    AmountChange,
    CodeChange,
    CurveParting,
    Differences,
    FieldChange,
    WeightDistance,
)
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell, Column, Line, NotApplicable, Table, words

NAME = "from_baseline"

MOST_LINES = 40
"""Lines of a printed table; the rest is counted, and whole in JSON."""
COMMIT = 12
"""Hex digits of a commit that are shown."""
LONGEST_VALUE = 32


def parts(found: Differences) -> Iterator[Table]:
    """Yield each table that has something to say, in the order in which they are printed."""
    variants = any(each.variant for each in found.config)
    yield from _fields("config", "Config", found.config, variants=variants)
    yield from _fields("environment", "Environment", found.environment)
    if found.code is not None and not found.code.same:
        yield _code(found.code)
    yield from _fields("data", "Data", found.data, variants=any(e.variant for e in found.data))
    yield from _amounts("results", "Test, means over runs (no verdict)", found.results)
    yield from _amounts("costs", "Cost, means over runs", found.costs)
    if found.curves:
        yield _curves(found.curves)
    if found.weights:
        yield _weights(found.weights)


def sentences(found: Differences) -> Iterator[str]:
    """Yield what the two are, what is the same, and what only one side has."""
    one, two = found.before, found.after
    for side, which in ((one, "before"), (two, "after")):
        runs = "" if side.kind == "run" else f", {side.runs} recorded, {side.finished} finished"
        yield f"{which}: {side.kind} {side.name}{runs}"
    for names, where in ((found.only_before, one.name), (found.only_after, two.name)):
        if names:
            yield f"Only in {where}: {', '.join(map(numbers.shorten, names))}."
    if found.same_runs:
        yield f"{found.same_runs} of {found.pairs} pairs are the very same run."
    if same := [*_same(found)]:
        yield f"The same: {', '.join(same)}."
    yield from found.notes


def _same(found: Differences) -> Iterator[str]:
    """Name each part that was compared and is the same on both sides."""
    if not found.config:
        yield "config"
    if found.before.runs and found.after.runs:
        if not found.environment:
            yield "environment"
        if found.code is not None and found.code.same:
            yield "code"
        if not found.data:
            yield "data"
    if found.curves and all(each.step is None for each in found.curves):
        yield "every logged loss and validation"
    if found.weights and all(each.equal for each in found.weights):
        yield "weights"


def shown(value: Any) -> str:
    """Return a value of a config in one short line."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    text = str(value) if plain else json.dumps(value, ensure_ascii=False, default=str)
    return numbers.shorten(text, LONGEST_VALUE)


def _sides(each: FieldChange) -> tuple[Cell, Cell]:
    was = numbers.MISSING if each.only == "after" else shown(each.before)
    now = numbers.MISSING if each.only == "before" else shown(each.after)
    return Cell(was, was), Cell(now, now)


def _cut(lines: list[Line]) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """Return the lines that are printed, and a note of how many are not."""
    over = len(lines) - MOST_LINES
    note = (f"{over} more lines are in the JSON.",) if over > 0 else ()
    return tuple(lines[:MOST_LINES]), note


def _fields(
    name: str, title: str, changes: Iterable[FieldChange], *, variants: bool = False
) -> Iterator[Table]:
    lines = [
        Line(
            (
                Cell(each.path, each.path, tone="code"),
                *((Cell(each.variant, each.variant),) if variants else ()),
                *_sides(each),
            )
        )
        for each in changes
    ]
    if lines:
        kept, notes = _cut(lines)
        columns = words("field", *(("of",) if variants else ()), "before", "after")
        yield Table(name, "", columns, kept, notes, title=title)


def _code(code: CodeChange) -> Table:
    stamps = [", ".join(side) or numbers.MISSING for side in (code.before, code.after)]
    commits = [
        ", ".join(_commit(each) for each in side) or numbers.MISSING
        for side in (code.commits_before, code.commits_after)
    ]
    lines = [
        Line((Cell("code stamp"), Cell(stamps[0]), Cell(stamps[1]))),
        Line((Cell("commit"), Cell(commits[0]), Cell(commits[1]))),
    ]
    for each in code.modules:
        has = {"changed": ("other", "other"), "added": (numbers.MISSING, "new")}
        was, now = has.get(each.how, ("there", "removed"))
        lines.append(Line((Cell(each.module, tone="code"), Cell(was), Cell(now))))
    kept, notes = _cut(lines)
    if code.note:
        notes = (*notes, f"{code.note[0].upper()}{code.note[1:]}.")
    if code.source == "git":
        notes = (*notes, "Modules are those that git finds different, comments included.")
    return Table("code", "", words("code", "before", "after"), kept, notes, title="Code")


def _commit(text: str) -> str:
    return text[:COMMIT] + ("+" if text.endswith("+") else "")


def _amounts(name: str, title: str, changes: Iterable[AmountChange]) -> Iterator[Table]:
    compared = list(changes)
    changes = [each for each in compared if each.before != each.after]
    variants = any(each.variant for each in changes)
    lines = [
        Line(
            (
                *((Cell(each.variant, each.variant),) if variants else ()),
                Cell(each.name, each.name),
                Cell(_number(each.before, each.unit), each.before),
                Cell(_number(each.after, each.unit), each.after),
                Cell(_times(each), each.ratio),
            )
        )
        for each in changes
    ]
    if lines:
        kept, notes = _cut(lines)
        if alike := len(compared) - len(changes):
            are = "is" if alike == 1 else "are"
            notes = (*notes, f"{alike} of {len(compared)} lines {are} left out: the same.")
        columns = (
            *(words("of") if variants else ()),
            *words("what"),
            Column("before"),
            Column("after"),
            Column("change"),
        )
        yield Table(name, "", columns, kept, notes, title=title)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return numbers.MISSING
    text = numbers.count(value) if abs(value) >= 1e5 else f"{value:.6g}"
    return f"{text} {unit}".rstrip()


def _times(each: AmountChange) -> str:
    ratio = each.ratio
    return numbers.MISSING if ratio is None else f"{numbers.signed(100 * (ratio - 1), 2)} %"


def _curves(curves: Iterable[CurveParting]) -> Table:
    lines = [
        Line(
            (
                Cell(each.pair, each.pair),
                Cell(each.curve, each.curve),
                Cell("never" if each.step is None else str(each.step), each.step),
                Cell(numbers.MISSING if each.by is None else f"{each.by:+.3g}", each.by),
                Cell(numbers.MISSING if each.at_end is None else f"{each.at_end:+.3g}",
                     each.at_end),
                Cell(_equal(each), tone="quiet"),
            )
        )
        for each in curves
    ]  # fmt: skip
    kept, notes = _cut(lines)
    columns = (
        *words("runs", "curve"),
        Column("parts at step"),
        Column("by"),
        Column("at the end"),
        Column("equal until", numeric=False),
    )
    note = "Of the steps that both logged; a logged loss is a mean since the log before."
    return Table("curves", "", columns, kept, (*notes, note), title="Where curves part")


def _equal(each: CurveParting) -> str:
    if each.step is None:
        return f"all {each.points} points"
    return "no point" if each.equal_until is None else f"step {each.equal_until}"


def _weights(weights: Iterable[WeightDistance]) -> Table:
    lines, notes = [], []
    for each in weights:
        if each.problem:
            notes.append(f"{each.pair}: {each.problem}")
        lines.append(
            Line(
                (
                    Cell(each.pair, each.pair),
                    Cell(_share(each), each.relative),
                    Cell(_plain(each.distance), each.distance),
                    Cell(_plain(each.largest), each.largest),
                    Cell(_tensors(each)),
                    Cell(each.largest_in, tone="code"),
                )
            )
        )
    kept, more = _cut(lines)
    columns = (
        *words("runs"),
        Column("apart"),
        Column("L2 norm"),
        Column("largest"),
        *words("tensors", "largest in"),
    )
    note = (
        "Apart: the L2 norm of the difference over that of the earlier weights; largest: of one "
        "number."
    )
    return Table("weights", "", columns, kept, (*more, note, *notes), title="Weights")


def _share(each: WeightDistance) -> str:
    if each.problem:
        return numbers.MISSING
    if each.equal:
        return "equal"
    return numbers.MISSING if each.relative is None else f"{100 * each.relative:.3g} %"


def _plain(value: float | None) -> str:
    return numbers.MISSING if value is None else f"{value:.3g}"


def _tensors(each: WeightDistance) -> str:
    if each.problem:
        return numbers.MISSING
    apart = each.other_shape + each.only_before + each.only_after
    return f"{each.shared} compared" + (f", {apart} not" if apart else "")


# --- a study's variants ----------------------------------------------------------------------


def from_baseline(comparison: Comparison) -> Table | NotApplicable:
    """Return in what each variant differs from the baseline, a line a fact."""
    if not comparison.baseline:
        return NotApplicable("the study has no baseline to tell its variants from")
    lines = [
        Line((Cell(each.after.name, each.after.name), *cells))
        for each in comparison.from_baseline
        for cells in _told(each)
    ]
    if not lines:
        return NotApplicable("no variant differs from the baseline in anything that is recorded")
    caption = (
        f"In what each variant differs from {comparison.baseline}: settings, machines, code, data, "
        "cost, and the first logged step at which training losses of a seed are not the same "
        "number. Nothing here is a verdict."
    )
    if not any(each.weights for each in comparison.from_baseline):
        caption += " How far weights are apart tempo compare --weights and tempo diff measure."
    columns = words("variant", "what", comparison.baseline, "variant's")
    return Table(NAME, caption, columns, tuple(lines))


def _told(found: Differences) -> Iterator[tuple[Cell, ...]]:
    for each in (*found.config, *found.environment, *found.data):
        yield Cell(each.path, each.path, tone="code"), *_sides(each)
    if found.code is not None and not found.code.same:
        stamps = (", ".join(found.code.before), ", ".join(found.code.after))
        yield Cell("code stamp"), *(Cell(text) for text in stamps)
        for module in found.code.modules:
            yield Cell(module.module, tone="code"), Cell(""), Cell(module.how)
    for cost in found.costs:
        if cost.before != cost.after:
            yield (
                Cell(f"{cost.name}, mean"),
                Cell(_number(cost.before, cost.unit)),
                Cell(f"{_number(cost.after, cost.unit)} ({_times(cost)})"),
            )
    for curve in found.curves:
        if curve.curve == "train loss":
            parted = curve.step is not None and curve.by is not None
            said = f"step {curve.step}, by {curve.by:+.3g}" if parted else "never"
            yield Cell(f"losses of {curve.pair} part at"), Cell(""), Cell(said)
    for pair in found.weights:
        apart = pair.problem or (
            _share(pair) if pair.equal else f"{_share(pair)} of their norm, {_tensors(pair)}"
        )
        yield Cell(f"weights of {pair.pair} apart by"), Cell(""), Cell(apart)
