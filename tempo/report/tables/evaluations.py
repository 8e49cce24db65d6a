"""Build the table of evaluations: methods on test sets, ranked within one protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from tempo.comparison.leaderboard import Leaderboard
from tempo.records.events import encode
from tempo.records.method_results.evaluations import EvaluationRecord
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell, Column, Line, Table, of_records, words


def _metrics(groups: Sequence[Leaderboard]) -> list[str]:
    """Return every metric that any row has or says is not applicable."""
    records = [row.record for group in groups for row in group.rows]
    return list(dict.fromkeys(n for r in records for n in (*r.values, *r.not_applicable)))


def build(groups: Sequence[Leaderboard]) -> Table:
    """Return one line a method and test set; rows of different protocols carry their hash."""
    names = _metrics(groups)
    infos = {
        name: info
        for group in groups
        for row in group.rows
        for name, info in row.record.infos.items()
    }
    columns = (
        *words("#", "set", "method"),
        *(Column(name, infos[name].unit if name in infos else "") for name in names),
        *words("clips", "protocol"),
    )
    lines = tuple(
        Line.of(
            Cell(numbers.MISSING if row.rank is None else str(row.rank), row.rank),
            Cell(group.test_set),
            Cell(row.record.method),
            *(_number(row.record, name) for name in names),
            Cell(_clips(row.record), row.record.clips),
            Cell(group.protocol_hash),
        )
        for group in groups
        for row in group.rows
    )
    return Table("evaluations", "", columns, lines, tuple(notes(groups)))


def _clips(record: EvaluationRecord) -> str:
    return f"{record.clips}" + (f" (-{len(record.broken)})" if record.broken else "")


def _number(record: EvaluationRecord, name: str) -> Cell:
    if (why := record.not_applicable.get(name)) is not None:
        return Cell("not computed" if "not computed" in why else "n/a", tone="quiet")
    value = record.values.get(name)
    if value is None or math.isnan(value):
        return Cell(numbers.MISSING, tone="quiet")
    flagged = record.compared is not None and name in record.compared.flagged
    return Cell(numbers.fixed(value, record.infos[name].digits) + ("!" if flagged else ""), value)


def notes(groups: Sequence[Leaderboard]) -> Iterator[str]:
    """Yield what a reader of the numbers must know."""
    sets = {group.test_set for group in groups}
    if len(groups) > len(sets):
        yield "Rows of one set with different protocols are not ranked against each other:"
        for group in groups:
            odd = _differing(group, groups)
            if odd:
                yield f"  {group.protocol_hash}: {odd}"
    records = [row.record for group in groups for row in group.rows]
    yield from dict.fromkeys(note for record in records for note in record.notes)
    for record in records:
        yield from _about(record)


def _differing(group: Leaderboard, groups: Sequence[Leaderboard]) -> str:
    """Return the protocol's fields that another protocol of the same set has differently."""
    own = group.rows[0].record.protocol
    others = [
        each.rows[0].record.protocol
        for each in groups
        if each.test_set == group.test_set and each is not group
    ]
    fields = [name for name in own if any(own[name] != other.get(name) for other in others)]
    return ", ".join(f"{name} = {own[name]}" for name in fields)


def _about(record: EvaluationRecord) -> Iterator[str]:
    """Yield the broken clips of an evaluation, and what its arithmetic and tiling changed."""
    what = f"{record.method} on {record.test_set}"
    for clip, why in list(record.broken.items())[:3]:
        yield f"{what}: clip {clip}: {why}"
    compared = record.compared
    if compared is None:
        return
    chosen = ", ".join(str(record.protocol[name]) for name in ("arithmetic", "tiling"))
    if compared.problem:
        yield f"{what} ({chosen}): the difference was not measured: {compared.problem}"
        return
    moved = ", ".join(
        f"{name} {value:+.{record.infos[name].digits + 2}f}"
        for name, value in compared.differences.items()
        if name in record.infos
    )
    warning = " FLAGGED: more than 0.01 dB" if compared.flagged else ""
    yield (
        f"{what} ({chosen}): against float32 on whole frames, over {compared.clips} clips: "
        f"{moved}{warning}"
    )


def data(groups: Sequence[Leaderboard]) -> Table:
    """Return the evaluations for programs, every number at full precision."""
    names = _metrics(groups)
    return of_records(
        "evaluations",
        [
            {"rank": row.rank, "set": group.test_set, "method": row.record.method}
            | {name: row.record.values.get(name) for name in names}
            | {"clips": row.record.clips, "broken": len(row.record.broken)}
            | {"protocol": group.protocol_hash, "run": row.record.run_id}
            for group in groups
            for row in group.rows
        ],
    )


def evaluations_json(groups: Sequence[Leaderboard]) -> str:
    """Return everything that is recorded, with the ranks, as JSON."""
    rows = [
        {"rank": row.rank, "ranked_by": group.primary.name} | asdict(row.record)
        for group in groups
        for row in group.rows
    ]
    return json.dumps(encode(rows), indent=2, allow_nan=False) + "\n"
