"""Print ranked evaluations: for a terminal, as Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tempo.compare.leaderboard import Leaderboard, LeaderboardRow
from tempo.records.evaluations import EvaluationRecord
from tempo.records.events import encode

DASH = "-"


def metric_names(groups: Sequence[Leaderboard]) -> list[str]:
    """Every metric that any row has or says is not applicable."""
    records = [row.record for group in groups for row in group.rows]
    return list(dict.fromkeys(n for r in records for n in (*r.values, *r.not_applicable)))


def show(groups: Sequence[Leaderboard], console: Console) -> None:
    """One table; a rule between protocols, and below it what there is to say."""
    names = metric_names(groups)
    table = Table(box=None, pad_edge=False)
    for title in ("#", "set", "method"):
        table.add_column(title)
    for title in _titles(groups, names):
        table.add_column(title, justify="right")
    for title in ("clips", "protocol"):
        table.add_column(title)
    for group in groups:
        for row in group.rows:
            table.add_row(*map(Text, _cells(group, row, names)))
        table.add_section()
    console.print(table)
    for line in notes(groups):
        console.print(line, markup=False, soft_wrap=True)


def _titles(groups: Sequence[Leaderboard], names: Sequence[str]) -> list[str]:
    infos = {name: info for group in groups for row in group.rows
             for name, info in row.record.infos.items()}  # fmt: skip
    units = {name: f" ({infos[name].unit})" for name in infos if infos[name].unit}
    return [f"{name}{units.get(name, '')}" for name in names]


def _cells(group: Leaderboard, row: LeaderboardRow, names: Sequence[str]) -> list[str]:
    record = row.record
    return [
        DASH if row.rank is None else str(row.rank),
        group.test_set,
        record.method,
        *(_number(record, name) for name in names),
        f"{record.clips}" + (f" (-{len(record.broken)})" if record.broken else ""),
        group.protocol_hash,
    ]


def _number(record: EvaluationRecord, name: str) -> str:
    if name in record.not_applicable:
        return "n/a"
    value = record.values.get(name)
    if value is None or math.isnan(value):
        return DASH
    flagged = record.compared is not None and name in record.compared.flagged
    return f"{value:.{record.infos[name].digits}f}" + ("!" if flagged else "")


def notes(groups: Sequence[Leaderboard]) -> Iterator[str]:
    """What a reader of the numbers must know."""
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
    """The protocol's fields that another protocol of the same set has differently."""
    own = group.rows[0].record.protocol
    others = [g.rows[0].record.protocol for g in groups
              if g.test_set == group.test_set and g is not group]  # fmt: skip
    fields = [name for name in own if any(own[name] != other.get(name) for other in others)]
    return ", ".join(f"{name} = {own[name]}" for name in fields)


def _about(record: EvaluationRecord) -> Iterator[str]:
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


def markdown(groups: Sequence[Leaderboard]) -> str:
    """One table; rows of different protocols carry the protocol's hash."""
    names = metric_names(groups)
    head = ["#", "set", "method", *_titles(groups, names), "clips", "protocol"]
    rows = [_cells(group, row, names) for group in groups for row in group.rows]
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)
    told = "".join(f"- {line.strip()}\n" for line in notes(groups))
    return f"{table}\n" + (f"\n{told}" if told else "")


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def csv_text(groups: Sequence[Leaderboard]) -> str:
    """Full digits; an empty cell where there is no number."""
    names = metric_names(groups)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["rank", "set", "method", *names, "clips", "broken", "protocol", "run"])
    for group in groups:
        for row in group.rows:
            record = row.record
            rank = "" if row.rank is None else row.rank
            values = [record.values.get(name, "") for name in names]
            tail = [record.clips, len(record.broken), group.protocol_hash, record.run_id or ""]
            writer.writerow([rank, group.test_set, record.method, *values, *tail])
    return out.getvalue()


def json_text(groups: Sequence[Leaderboard]) -> str:
    """Everything that is recorded, with the ranks."""
    rows = [
        {"rank": row.rank, "ranked_by": group.primary.name} | asdict(row.record)
        for group in groups
        for row in group.rows
    ]
    return json.dumps(encode(rows), indent=2, allow_nan=False) + "\n"


def print_evaluations(groups: Sequence[Leaderboard], form: str | None, console: Console) -> None:
    """Print the table in the form asked for; None is the terminal's."""
    if form is None:
        show(groups, console)
        return
    writers = {"md": markdown, "csv": csv_text, "json": json_text}
    print(writers[form](groups), end="")
