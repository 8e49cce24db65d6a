"""Build the results table: every variant and reference, its metrics, its change, its cost.

The report, the terminal, Markdown and LaTeX print one table; CSV and data frames hold `data`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from tempo.comparison.comparison import Comparison, Row
from tempo.core.records import MetricInfo
from tempo.report.formats import numbers
from tempo.report.formats.cells import NONE, Links, change_cell, contrast_cell, estimate_cell
from tempo.report.formats.phrases import percent, sentences, title
from tempo.report.formats.table import Cell, Column, Line, Table, Value, of_records

ARROWS = {"higher": "↑", "lower": "↓"}
LONGEST = 48
"""Characters of a variant's name where the table is printed alone; the middle is left out."""


def build(comparison: Comparison) -> Table:
    """Return the table of the report's page, one line a row of the comparison, in its order."""
    columns, lines = _body(comparison, alone=False)
    notes = [f"{title(info)}: {info.definition}" for info in comparison.metrics]
    if not comparison.rankable:
        notes.append("The rows fall under different protocols and must not be ranked.")
    table = Table("results", _caption(comparison), columns, lines, tuple(notes))
    return table.without_empty_columns()


def printed(comparison: Comparison) -> Table:
    """Return the table as printed alone: with ranks, full verdicts, and what a page says around."""
    table = Table(
        "results",
        comparison.question,
        *_body(comparison, alone=True),
        tuple(" ".join(note.split()) for note in notes(comparison)),
        title=numbers.shorten(comparison.title, LONGEST),
    )
    return table.without_empty_columns()


def _body(comparison: Comparison, *, alone: bool) -> tuple[tuple[Column, ...], tuple[Line, ...]]:
    """Return the columns and lines; before the names, group and rank of a table printed alone.

    On a page the verdict stands beside the name, where a phone shows it without scrolling.
    """
    primary = comparison.info(comparison.metric)
    found = (
        Column(f"Δ {title(primary)}", primary.unit, hint="difference from the baseline"),
        Column("verdict", numeric=False),
    )
    columns = (
        *((Column("group", numeric=False), Column("#")) if alone else ()),
        Column("variant", numeric=False),
        *(() if alone else found[::-1]),
        Column("seeds", hint="finished of planned"),
        *(
            Column(f"{title(info)} {ARROWS[info.better]}", info.unit, hint=info.definition)
            for info in comparison.metrics
        ),
        *(found if alone else ()),
        Column("parameters"),
        Column("MACs", detail=True),
        Column("time", hint="training of one run"),
    )
    links = Links.of(comparison)
    return columns, tuple(_line(row, comparison, links, alone=alone) for row in comparison.rows)


def _line(row: Row, comparison: Comparison, links: Links, *, alone: bool) -> Line:
    link, cost = links.to(row.variant), row.cost
    name = numbers.shorten(row.variant, LONGEST) if alone else row.variant
    roles = {"baseline", "reference"} if alone else {"baseline"}
    rank = numbers.MISSING if row.rank is None else str(row.rank)
    found = _difference(row, comparison, link, brief=not alone)
    cells = (
        *((Cell(row.group or ""), Cell(rank, row.rank)) if alone else ()),
        Cell(f"{name} ({row.role})" if row.role in roles else name, row.variant, link),
        *(() if alone else found[::-1]),
        _seeds(row),
        *(_metric(row, info, comparison, link) for info in comparison.metrics),
        *(found if alone else ()),
        Cell(numbers.count(cost.parameters), cost.parameters, link),
        Cell(numbers.count(cost.macs), cost.macs, link),
        Cell(numbers.duration(cost.train_seconds), cost.train_seconds, link),
    )
    return Line(
        cells, "" if alone else row.note, row.role if row.state == "complete" else row.state
    )


def _seeds(row: Row) -> Cell:
    if row.role == "reference":
        return Cell(numbers.MISSING, hint="nothing in it is random", tone="quiet")
    return Cell(
        f"{row.seeds}/{row.planned_seeds}",
        row.seeds,
        tone="worse" if row.seeds < row.planned_seeds else "",
        hint=f"{row.seeds} of {row.planned_seeds} planned seeds finished",
    )


def _metric(row: Row, info: MetricInfo, comparison: Comparison, link: str) -> Cell:
    """Return the mean over seeds, or in a word why there is none."""
    estimate = row.estimates.get(info.name)
    if estimate is None and row.state in {"failed", "missing"}:
        return Cell(row.state, tone="quiet")
    if estimate is None and not _measured(info, comparison):
        return Cell("n/a", tone="quiet")
    return estimate_cell(estimate, info.digits, link)


def _measured(info: MetricInfo, comparison: Comparison) -> bool:
    return any(info.name in row.estimates for row in comparison.rows)


def _difference(row: Row, comparison: Comparison, link: str, *, brief: bool) -> tuple[Cell, Cell]:
    contrast = row.contrasts.get(comparison.metric)
    if contrast is None:
        return NONE, Cell("", tone="quiet")
    hint = f"{len(contrast.seeds)} seeds, {contrast.clips} clips, {contrast.sources} sources"
    digits = comparison.info(comparison.metric).digits
    change = change_cell(contrast.difference, digits, link, hint)
    return change, contrast_cell(contrast, link, brief=brief)


def _caption(comparison: Comparison) -> str:
    return sentences(
        f"Results: {comparison.at}.",
        "Metrics: mean ± standard deviation over seeds.",
        f"Δ: difference from {comparison.baseline} with its {percent(comparison.level)} interval,"
        " paired by seed and clip."
        if comparison.baseline
        else "",
    )


def notes(comparison: Comparison) -> Iterator[str]:
    """Yield what the numbers mean, then what was found and what is missing."""
    yield f"Numbers are of {comparison.at}; mean ± standard deviation over seeds."
    if comparison.baseline is not None:
        yield (
            f"Differences are to {numbers.shorten(comparison.baseline, LONGEST)}, with "
            f"{percent(comparison.level)} intervals over all of them (Holm): one leaves out zero "
            "where the verdict is better or worse."
        )
    for each in comparison.protocols:
        ranked = each.ranked or len(comparison.protocols) == 1
        told = ", ".join(f"{name} {value}" for name, value in each.fields.items())
        yield f"Protocol {each.hash}{'' if ranked else ' (not ranked)'}: {told}"
    for info in comparison.metrics:
        if not _measured(info, comparison):
            yield (f"{title(info)} is not applicable: no clip has a value ({info.definition}).")
    yield from comparison.headline
    for failed in comparison.failures:
        yield (
            f"{failed.status.capitalize()}: {numbers.shorten(failed.variant, LONGEST)} "
            f"s{failed.seed}, {numbers.shorten(failed.message, 120)}"
        )
    yield from (f"May change: {each}." for each in comparison.stale)


def data(comparison: Comparison) -> Table:
    """Return the results for programs, one line a row, every number at full precision.

    Of each metric: `_mean`, `_sd` and the interval of the mean, `_low` to `_high`; then
    `_difference` from the baseline with its own interval, `_p_adjusted`, `_verdict` and `_kind`:
    `rule` where the study's rule asks for the contrast, else `secondary` or `exploratory`.
    """
    factors = list(dict.fromkeys(name for row in comparison.rows for name in row.levels))
    return of_records("results", [_record(row, comparison, factors) for row in comparison.rows])


def _record(row: Row, comparison: Comparison, factors: list[str]) -> dict[str, Value]:
    record: dict[str, Value] = {"variant": row.variant, "role": row.role, "state": row.state}
    record |= {f"factor:{name}": row.levels.get(name) for name in factors}
    record |= {"group": row.group} if row.group is not None else {}
    record |= {"rank": row.rank, "seeds": row.seeds, "planned_seeds": row.planned_seeds}
    for name in (info.name for info in comparison.metrics):
        estimate, contrast = row.estimates.get(name), row.contrasts.get(name)
        change = contrast.difference if contrast else None
        for part in ("mean", "sd", "low", "high"):
            record[f"{name}_{part}"] = getattr(estimate, part, None)
        record[f"{name}_difference"] = change.value if change else None
        record[f"{name}_difference_low"] = change.low if change else None
        record[f"{name}_difference_high"] = change.high if change else None
        record[f"{name}_p_adjusted"] = contrast.p_adjusted if contrast else None
        record[f"{name}_verdict"] = contrast.verdict.word.value if contrast else None
        record[f"{name}_kind"] = contrast.kind if contrast else None
    record |= asdict(row.cost)
    record["mac_size"] = "x".join(map(str, row.cost.mac_size or ())) or None
    estimate = row.estimates.get(comparison.metric)
    record["run_ids"] = " ".join(estimate.run_ids) if estimate else None
    record |= {"protocol": row.protocol_hash, "checkpoint": row.checkpoint, "note": row.note}
    return record
