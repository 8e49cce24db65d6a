"""Build the table of a paper: rows are variants and methods, columns are test sets and metrics.

The best number of a column is bold, and a dagger marks every other one that a paired test does not
tell apart from it: a difference in the last digit marks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tempo.comparison.comparison import Comparison, Cost, Row
from tempo.comparison.evidence import Best
from tempo.core.counted import counted, listed_up_to
from tempo.core.records import MetricInfo
from tempo.core.verdict_rule import share
from tempo.report.formats import numbers
from tempo.report.formats.cells import Links
from tempo.report.formats.phrases import seeds_range, sentences, title
from tempo.report.formats.table import (
    BEST,
    Cell,
    Column,
    Line,
    NotApplicable,
    Table,
    Value,
    of_records,
)
from tempo.report.tables.results import ARROWS

NAME = "paper_table"
OWN = "test clips"
"""What the study's own test split is called over its columns."""

NOT_WORSE = "†"
MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class PaperColumn:
    """One column of results: a metric on a test set, with what can be told apart there.

    `found` is None for a set on which nothing has finished.
    """

    group: str
    name: str
    info: MetricInfo
    found: Comparison | None

    @property
    def best(self) -> Best | None:
        """The best row of this column; None without a result."""
        every = self.found.best if self.found else ()
        return next((each for each in every if each.metric == self.info.name), None)

    def row(self, variant: str) -> Row | None:
        """Return a row of the set, None where the set does not have it."""
        every = self.found.rows if self.found else ()
        return next((each for each in every if each.variant == variant), None)

    def mark(self, variant: str) -> str:
        """Return `best`, `not worse`, `worse`, or nothing for a row that is not ranked here."""
        best = self.best
        if best is None:
            return ""
        if variant == best.best:
            return "best"
        if variant in best.not_worse:
            return "not worse"
        return "worse" if variant in best.worse else ""


@dataclass(frozen=True, slots=True)
class PlacedSet:
    """A set of test clips: what it is called in print and for programs, and what is found there."""

    title: str
    name: str
    found: Comparison | None


def placed_sets(comparison: Comparison) -> tuple[PlacedSet, ...]:
    """Return the study's own test clips and each further set, no two of them called the same."""
    own = comparison.split if comparison.test_set else OWN
    placed = [PlacedSet(own, comparison.test_set or "test", comparison)]
    for each in comparison.test_sets:
        title, name = each.title, each.name
        if title in {other.title for other in placed}:
            title = f"{title} ({name})"
        if name in {other.name for other in placed}:
            name = f"further {name}"
        placed.append(PlacedSet(title, name, each.found))
    return tuple(placed)


def columns_of(comparison: Comparison) -> tuple[PaperColumn, ...]:
    """Return the columns of results, set by set; of a set without a result the primary metric."""
    first = comparison.metrics[:1]
    return tuple(
        PaperColumn(each.title, each.name, info, each.found)
        for each in placed_sets(comparison)
        for info in (each.found.metrics if each.found else first)
        if each.found is None or any(info.name in row.estimates for row in each.found.rows)
    )


def rows_of(comparison: Comparison) -> list[Row]:
    """Return the rows: variants in design order, references, then methods of others."""
    rows = {row.variant: row for row in (*comparison.trained, *comparison.references)}
    for each in comparison.test_sets:
        for row in each.found.rows if each.found else ():
            rows.setdefault(row.variant, row)
    return list(rows.values())


def build(comparison: Comparison) -> Table | NotApplicable:
    """Return the table of a paper, for every form in which tables are printed."""
    if comparison.split == "val":
        return NotApplicable("a paper's table is of test clips, and validation was asked for")
    columns, rows = columns_of(comparison), rows_of(comparison)
    timed = next((row.cost.latency_at for row in rows if row.cost.latency_at), "")
    if not any(each.found for each in columns):
        return NotApplicable("nothing was judged on test clips yet")
    links, costs = Links.of(comparison), [row.cost for row in rows]
    head = (
        Column("method", numeric=False),
        *(_head(each) for each in columns),
        Column("parameters"),
        Column("MACs", hint=_size(costs)),
        Column("latency", "ms", hint=timed),
    )
    lines = tuple(
        Line(
            (
                links.name(row.variant),
                *(_cell(each, row.variant) for each in columns),
                Cell(numbers.count(row.cost.parameters), row.cost.parameters),
                Cell(numbers.count(row.cost.macs), row.cost.macs),
                Cell(numbers.three(row.cost.latency_ms), row.cost.latency_ms),
            ),
            tone="reference" if row.role == "reference" else "",
        )
        for row in rows
    )
    # A set stays in the table before anything has finished there.
    kept = [
        n <= len(columns) or any(line.cells[n].text != numbers.MISSING for line in lines)
        for n in range(len(head))
    ]
    table = Table(NAME, _caption(comparison, columns), head, lines, tuple(_notes(columns, rows)))
    return table.with_columns(kept)


def _head(column: PaperColumn) -> Column:
    info = column.info
    label = f"{title(info)} {ARROWS[info.better]}"
    return Column(label, info.unit, hint=info.definition, group=column.group)


def _cell(column: PaperColumn, variant: str) -> Cell:
    row, digits = column.row(variant), column.info.digits
    estimate = row.estimates.get(column.info.name) if row else None
    if estimate is None:
        hint = row.note if row else "was not judged here"
        return Cell(numbers.MISSING, hint=hint, tone="quiet")
    mark, text = column.mark(variant), numbers.fixed(estimate.mean, digits)
    hint = numbers.spread(estimate, digits)
    best = column.best
    if best is not None and variant in best.behind:
        change, p = best.behind[variant]
        tested = "not tested" if p is None else f"p {numbers.p_value(p)} after Holm"
        hint += f"; {numbers.signed(change, digits + 1)} from the best, {tested}"
    if mark == "not worse":
        text += NOT_WORSE
    return Cell(text, estimate.mean, hint=hint, tone=BEST if mark == "best" else "")


def _caption(comparison: Comparison, columns: Sequence[PaperColumn]) -> str:
    counts = [row.seeds for row in comparison.trained if row.seeds]
    error = share(round(1 - comparison.level, 12))
    untested = [each for each in columns if each.best and _untested(each.best)]
    return sentences(
        f"Means over clips and seeds ({seeds_range(counts)} of each trained variant).",
        f"Bold: the best mean of its column. {NOT_WORSE}: not shown to be worse than the best, by "
        f"a test paired by seed and clip with Holm's correction over the rows of the column "
        f"({error} error rate).",
        "Fewer than 3 seeds tell nothing apart." if untested else "",
    )


def _untested(best: Best) -> bool:
    return any(p is None for _, p in best.behind.values())


def _size(costs: Sequence[Cost]) -> str:
    size = next((cost.mac_size for cost in costs if cost.mac_size), None)
    return f"one forward pass over {size[0]} × {size[1]} pixels" if size else ""


def _notes(columns: Sequence[PaperColumn], rows: Sequence[Row]) -> Iterator[str]:
    """Yield by set its clips and protocol, and what is missing or ranked nowhere."""
    for group in dict.fromkeys(each.group for each in columns):
        column = next(each for each in columns if each.group == group)
        found = column.found
        if found is None:
            yield f"{group}: no evaluation has finished"
            continue
        some = next((each for each in found.contrasts if each.clips), None)
        told = []
        if some:
            told = [f"{counted(some.clips, 'clip')} from {counted(some.sources, 'source')}"]
        told += [f"protocol {each.hash}" for each in found.protocols if each.ranked]
        yield f"{group}: {', '.join(told)}"
        others = [n for each in found.protocols if not each.ranked for n in each.variants]
        if others:
            was = "was" if len(others) == 1 else "were"
            yield (
                f"{group}: {listed_up_to(MOST_NAMED, others)} {was} judged under another protocol, "
                "and not ranked"
            )
        short = [
            f"{row.variant} ({row.seeds} of {row.planned_seeds})"
            for row in found.rows
            if row.state != "complete"
        ]
        if short:
            yield f"{group}: not all evaluations have finished: {listed_up_to(MOST_NAMED, short)}"
    without = [row.variant for row in rows if row.role == "reference"]
    if without:
        have = "has" if len(without) == 1 else "have"
        yield f"{listed_up_to(MOST_NAMED, without)} {have} no seeds"
    timed = next((row.cost.latency_at for row in rows if row.cost.latency_at), "")
    if timed:
        yield f"Latency: one predicted frame of {timed}"
    if any(each.found for each in columns):
        yield "A protocol is the hash of all that decides the numbers of a set"


def data(comparison: Comparison) -> Table:
    """Return the table for programs, every number at full precision.

    By set and metric: `_mean`, `_sd`, `_seeds`, the `_difference` from the baseline with its
    `_verdict`, the `_behind` (difference from the best) with its `_p`, and the `_mark`: `best`,
    `not worse`, `worse` or nothing.
    """
    columns = columns_of(comparison)
    return of_records(NAME, [_record(row, columns) for row in rows_of(comparison)])


def _record(row: Row, columns: Sequence[PaperColumn]) -> dict[str, Value]:
    record: dict[str, Value] = {"variant": row.variant, "role": row.role}
    for column in columns:
        here, name = column.row(row.variant), column.info.name
        estimate = here.estimates.get(name) if here else None
        contrast = here.contrasts.get(name) if here else None
        change = contrast.difference if contrast else None
        best = column.best
        behind, p = best.behind.get(row.variant, (None, None)) if best else (None, None)
        key = f"{column.name}_{name}"
        record |= {
            f"{key}_mean": estimate.mean if estimate else None,
            f"{key}_sd": estimate.sd if estimate else None,
            f"{key}_seeds": estimate.n if estimate and row.role != "reference" else None,
            f"{key}_difference": change.value if change else None,
            f"{key}_difference_low": change.low if change else None,
            f"{key}_difference_high": change.high if change else None,
            f"{key}_verdict": contrast.verdict.word.value if contrast else None,
            f"{key}_behind": behind,
            f"{key}_p": p,
            f"{key}_mark": column.mark(row.variant) or None,
        }
    cost = row.cost
    return record | {
        "parameters": cost.parameters,
        "macs": cost.macs,
        "latency_ms": cost.latency_ms,
    }
