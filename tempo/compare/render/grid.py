"""The results table as cells of text, the same for every format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tempo.compare.comparison import Comparison, Row
from tempo.compare.statistics.quantities import Contrast, Interval, Word
from tempo.core.records import MetricInfo

MISSING = "-"
LONGEST = 48
"""Characters of a label in a table; longer ones keep both ends."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`numeric` says which columns are set flush right. `notes` go under the table."""

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def results(comparison: Comparison) -> Grid:
    """Variant, metrics, seeds, cost and the contrast with the baseline."""
    columns: list[tuple[str, bool, Callable[[Row], str]]] = [
        ("#", True, lambda row: MISSING if row.rank is None else str(row.rank)),
        ("variant", False, _label),
    ]
    if any(row.group is not None for row in comparison.rows):
        columns.insert(0, ("group", False, lambda row: row.group or MISSING))
    columns += [(_heading(info), True, _metric(info, comparison)) for info in comparison.metrics]
    first = comparison.metrics[0]
    columns += [
        ("seeds", True, lambda row: f"{row.seeds}/{row.planned_seeds}"),
        ("params", True, lambda row: count(row.cost.parameters)),
        ("time", True, lambda row: duration(row.cost.train_seconds)),
        (f"Δ {first.title}", True, _difference(comparison, first)),
        ("verdict", False, _verdict(comparison)),
    ]
    return Grid(
        headings=tuple(name for name, _, _ in columns),
        numeric=tuple(numeric for _, numeric, _ in columns),
        lines=tuple(tuple(show(row) for _, _, show in columns) for row in comparison.rows),
        notes=notes(comparison),
    )


def notes(comparison: Comparison) -> tuple[str, ...]:
    """What the numbers mean, then what was found and what is missing."""
    told = [f"Numbers are of {comparison.at}; mean ± standard deviation over seeds."]
    if comparison.baseline is not None:
        told.append(
            f"Differences are to {shorten(comparison.baseline)}, with {comparison.level:.0%} "
            f"intervals; verdicts hold for all of them together (Holm)."
        )
    told += [
        f"Protocol {each.hash}"
        + ("" if each.ranked or len(comparison.protocols) == 1 else " (not ranked)")
        + f": {fields(each.fields)}"
        for each in comparison.protocols
    ]
    told += [
        f"{info.title} is not applicable: no clip has a value ({info.definition})."
        for info in comparison.metrics
        if not _applies(info, comparison)
    ]
    told += comparison.headline
    told += [
        f"{each.status.capitalize()}: {shorten(each.variant)} s{each.seed}, "
        f"{shorten(each.message, 120)}"
        for each in comparison.failures
    ]
    told += [f"May change: {each}." for each in comparison.stale]
    return tuple(" ".join(each.split()) for each in told)


def fields(protocol: Mapping[str, object]) -> str:
    """A protocol in one line."""
    return ", ".join(f"{key} {value}" for key, value in protocol.items())


def _label(row: Row) -> str:
    marks = {"baseline": " (baseline)", "reference": " (reference)"}
    return shorten(row.variant) + marks.get(row.role, "")


def _heading(info: MetricInfo) -> str:
    return info.title + (f" ({info.unit})" if info.unit else "")


def _applies(info: MetricInfo, comparison: Comparison) -> bool:
    """Whether any variant has a value of a metric that was asked for."""
    return any(row.estimates.get(info.name) for row in comparison.rows)


def _metric(info: MetricInfo, comparison: Comparison) -> Callable[[Row], str]:
    none = MISSING if _applies(info, comparison) else "n/a"

    def show(row: Row) -> str:
        estimate = row.estimates.get(info.name)
        if estimate is None:
            return row.state if row.state in ("failed", "missing") else none
        mean = f"{estimate.mean:.{info.digits}f}"
        return mean if estimate.sd is None else f"{mean} ± {estimate.sd:.{info.digits}f}"

    return show


def _difference(comparison: Comparison, info: MetricInfo) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        found = row.contrasts.get(comparison.metric)
        return MISSING if found is None else change(found.difference, info.digits)

    return show


def _verdict(comparison: Comparison) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        found = row.contrasts.get(comparison.metric)
        return "" if found is None else word(found)

    return show


def word(contrast: Contrast) -> str:
    """The verdict, with the seeds that are short."""
    verdict = contrast.verdict
    if verdict.word != Word.INCONCLUSIVE or contrast.difference is None:
        return verdict.word.value
    if verdict.more_seeds is None:
        return "inconclusive, seeds alone won't settle it"
    return f"inconclusive, ~{verdict.more_seeds} more seed{'s' if verdict.more_seeds > 1 else ''}"


def change(interval: Interval | None, digits: int) -> str:
    """`+0.42 [+0.31, +0.53]`."""
    if interval is None:
        return MISSING
    value = f"{interval.value:+.{digits}f}"
    if interval.low is None or interval.high is None:
        return value
    return f"{value} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]"


def count(value: float | None) -> str:
    """A count with a prefix: 3.98 M."""
    if value is None:
        return MISSING
    for scale, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= scale:
            return f"{value / scale:.3g}{prefix}"
    return f"{value:g}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: 8.4 s, 3 min 20 s, 5 h 02 min."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def shorten(label: str, length: int = LONGEST) -> str:
    """`label` on one line, without control characters, its middle left out when it is long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in label).split())
    if len(line) <= length:
        return line
    head = (length - 1) * 2 // 3
    return f"{line[:head]}…{line[-(length - 1 - head) :]}"
