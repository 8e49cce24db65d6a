"""The results: every variant and reference, its metrics, its difference from the baseline."""

from __future__ import annotations

from tempo.compare.comparison import Comparison, Row
from tempo.core.records import MetricInfo
from tempo.report.applicability import NotApplicable
from tempo.report.formats import numbers
from tempo.report.formats.phrases import percent, sentences, title
from tempo.report.formats.table import (
    Cell,
    Column,
    Line,
    Links,
    Table,
    drop_empty,
    seeds_of,
    verdict_cell,
)

ARROWS = {"higher": "↑", "lower": "↓"}


def build(comparison: Comparison) -> Table | NotApplicable:
    """One line a row of the comparison, in its order."""
    links = Links.of(comparison)
    columns = [Column("variant", numeric=False), Column("seeds", hint="finished of planned")]
    columns += [_metric_column(info) for info in comparison.metrics]
    primary = comparison.info(comparison.metric)
    columns += [
        Column(f"Δ {title(primary)}", primary.unit, hint="difference from the baseline"),
        Column("verdict", numeric=False),
        Column("parameters"),
        Column("MACs"),
        Column("time", hint="training of one run"),
    ]
    lines = [_line(row, comparison, links) for row in comparison.rows]
    kept, rows = drop_empty(columns, lines)
    return Table("results", _caption(comparison), tuple(kept), tuple(rows), _footnotes(comparison))


def _metric_column(info: MetricInfo) -> Column:
    return Column(f"{title(info)} {ARROWS[info.better]}", info.unit, hint=info.definition)


def _line(row: Row, comparison: Comparison, links: Links) -> Line:
    link = links.to(row.variant)
    label = f"{row.variant} (baseline)" if row.role == "baseline" else row.variant
    cells = [Cell(label, row.variant, link), _seeds(row)]
    for info in comparison.metrics:
        estimate = row.estimates.get(info.name)
        cells.append(
            Cell(
                numbers.spread(estimate, info.digits),
                estimate.mean if estimate else None,
                link,
                seeds_of(estimate, info.digits) if estimate else "",
            )
        )
    cells += _difference(row, comparison, link)
    cost = row.cost
    cells += [
        Cell(numbers.count(cost.parameters), cost.parameters, link),
        Cell(numbers.count(cost.macs), cost.macs, link),
        Cell(numbers.duration(cost.train_seconds), cost.train_seconds, link),
    ]
    tone = row.role if row.state == "complete" else row.state
    return Line(tuple(cells), row.note, tone)


def _seeds(row: Row) -> Cell:
    if row.role == "reference":
        return Cell(numbers.MISSING, hint="nothing in it is random", tone="quiet")
    short = row.seeds < row.planned_seeds
    return Cell(
        f"{row.seeds}/{row.planned_seeds}" if short else str(row.seeds),
        row.seeds,
        tone="worse" if short else "",
        hint=f"{row.seeds} of {row.planned_seeds} planned seeds finished",
    )


def _difference(row: Row, comparison: Comparison, link: str) -> list[Cell]:
    contrast = row.contrasts.get(comparison.metric)
    if contrast is None:
        return [Cell(numbers.MISSING, tone="quiet"), Cell("", tone="quiet")]
    digits = comparison.info(comparison.metric).digits
    change = contrast.difference
    return [
        Cell(
            numbers.change(change, digits),
            change.value if change else None,
            link,
            f"{len(contrast.seeds)} seeds, {contrast.clips} clips, {contrast.sources} sources",
        ),
        verdict_cell(contrast.verdict, link, brief=True),
    ]


def _caption(comparison: Comparison) -> str:
    return sentences(
        f"Results: {comparison.at}.",
        "Metrics: mean ± standard deviation over seeds.",
        f"Δ: difference from {comparison.baseline} with its {percent(comparison.level)} interval,"
        " paired by seed and clip."
        if comparison.baseline
        else "",
    )


def _footnotes(comparison: Comparison) -> tuple[str, ...]:
    definitions = [f"{title(info)}: {info.definition}" for info in comparison.metrics]
    if not comparison.rankable:
        definitions.append("The rows fall under different protocols and must not be ranked.")
    return tuple(definitions)
