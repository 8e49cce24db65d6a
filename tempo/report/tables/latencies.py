"""Build the table of inference cost: time of one frame by network, frame size and precision."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from tempo.records.method_results.latencies import Latency, LatencySession
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell, Column, Line, Table, of_records, words


def build(session: LatencySession) -> Table:
    """Return one line a network, size and precision, with how it was measured."""
    peak = any(row.peak_memory is not None for row in session.rows)
    columns = (
        *words("network", "size", "precision"),
        Column("time", "ms"),
        Column("quartiles", "ms"),
        Column("frames", "1/s"),
        Column("ratio"),
        *([Column("peak", "MiB")] if peak else []),
    )
    lines = tuple(
        Line.of(
            Cell(row.name),
            Cell(f"{row.size[1]}x{row.size[0]}"),
            Cell(row.precision),
            *_times(row),
            *([_peak(row)] if peak else []),
        )
        for row in session.rows
    )
    return Table("latencies", "", columns, lines, tuple(_notes(session)))


def _times(row: Latency) -> Iterator[Cell]:
    if row.ms is None or row.fps is None:
        yield from (Cell(numbers.MISSING, tone="quiet") for _ in range(4))
        return
    yield Cell(numbers.three(row.ms), row.ms)
    yield Cell(f"{numbers.three(row.low or row.ms)} to {numbers.three(row.high or row.ms)}")
    yield Cell(numbers.three(row.fps), row.fps)
    ratio = row.ratio
    yield Cell(numbers.MISSING if ratio is None else f"{ratio:.2f}", ratio)


def _peak(row: Latency) -> Cell:
    if row.peak_memory is None:
        return Cell(numbers.MISSING, tone="quiet")
    return Cell(f"{row.peak_memory / 2**20:.0f}", row.peak_memory / 2**20)


def manner(session: LatencySession) -> str:
    """Return how the times were measured, as a sentence."""
    cores = f" ({session.threads} threads)" if session.device == "cpu" else ""
    return (
        f"One predicted frame on {session.device}{cores}: median and quartiles of {session.passes} "
        f"passes after {session.warmup} to warm up; each pass goes through all networks in turn. "
        "The ratio is to the first network, pass by pass."
    )


def _notes(session: LatencySession) -> Iterator[str]:
    yield manner(session)
    if session.device == "cpu":
        yield "Memory is not measured on a CPU."
    problems = {row.problem: row for row in session.rows if row.problem}
    for problem, row in problems.items():
        yield f"{row.name} at {row.size[1]}x{row.size[0]} in {row.precision}: {problem}."


def data(session: LatencySession) -> Table:
    """Return the times for programs, every number at full precision."""
    return of_records("latencies", [_record(row) for row in session.rows])


def _record(row: Latency) -> dict[str, float | str | None]:
    height, width = row.size
    own = {name: value for name, value in asdict(row).items() if name != "size"}
    return {"name": row.name, "height": height, "width": width, **own, "fps": row.fps}


def latencies_json(session: LatencySession) -> str:
    """Return the session as JSON."""
    told = asdict(session) | {"rows": [_record(row) for row in session.rows]}
    return json.dumps(told, indent=2) + "\n"
