"""Summarise the replicates of each variant: mean, standard deviation and number of seeds.

The comparison proper (intervals, verdicts) is made elsewhere; these are the figures that a list of
runs cannot show.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tempo.core.errors import RecordError
from tempo.core.records import Plan, RunStatus
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run
from tempo.records.seed_log import opened_plan
from tempo.track.store_names import safe_key

KEY_METRICS = ("psnr", "ssim")


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSummary:
    """A variant over its seeds. `values`: metric -> one test figure per finished replicate."""

    variant: str
    planned: int
    complete: int
    failed: int
    values: Mapping[str, Sequence[float]]

    def mean(self, metric: str) -> float | None:
        values = self.values.get(metric)
        return statistics.fmean(values) if values else None

    def std(self, metric: str) -> float | None:
        """The sample standard deviation; None below two replicates."""
        values = self.values.get(metric, ())
        return statistics.stdev(values) if len(values) > 1 else None


def summarise(store: Store, plan: Plan) -> list[VariantSummary]:
    """One summary a variant, in plan order. Runs without records count as planned only."""
    records, plan = read_runs(store, plan), opened_plan(store, plan)
    return [_summary(plan, variant.name, records) for variant in plan.variants]


def read_runs(store: Store, plan: Plan) -> list[RunRecord]:
    """Read the plan's runs that have a record. A damaged record counts as none here: sending its
    run says what is wrong with it."""
    records = []
    for run in plan.distinct_runs:
        with contextlib.suppress(RecordError):
            records.append(read_run(store.run_dir(run.run_id)))
    return records


def _summary(plan: Plan, variant: str, records: Sequence[RunRecord]) -> VariantSummary:
    planned = [run.run_id for run in plan.runs if run.variant == variant]
    own = [record for record in records if record.run_id in planned]
    complete = [record for record in own if record.status == RunStatus.COMPLETE]
    values: dict[str, list[float]] = {}
    for record in complete:
        for name, value in (record.test.values if record.test else {}).items():
            values.setdefault(name, []).append(value)
    return VariantSummary(
        variant=variant,
        planned=len(planned),
        complete=len(complete),
        failed=sum(record.status == RunStatus.FAILED for record in own),
        values=values,
    )


def metric_names(summaries: Sequence[VariantSummary]) -> list[str]:
    """All metrics, those measured first in front."""
    return list(dict.fromkeys(name for each in summaries for name in each.values))


def key_metrics(summaries: Sequence[VariantSummary]) -> list[str]:
    """The metrics that a glance should show: PSNR and SSIM where measured, else the first two."""
    names = metric_names(summaries)
    return [name for name in KEY_METRICS if name in names] or names[: len(KEY_METRICS)]


def as_metrics(summaries: Sequence[VariantSummary]) -> dict[str, float]:
    """Metrics of a parent run: `variants/<variant> <metric> mean`, likewise `std` and `n`."""
    out: dict[str, float] = {}
    for each in summaries:
        # Without slashes: MLflow makes a section of charts for each prefix.
        variant = safe_key(each.variant).replace("/", "_")
        for metric in key_metrics(summaries):
            figures = {"mean": each.mean(metric), "std": each.std(metric)}
            figures["n"] = len(each.values.get(metric, ()))
            for name, value in figures.items():
                if value is not None:
                    out[f"variants/{variant} {metric} {name}"] = float(value)
    return out


def as_markdown(summaries: Sequence[VariantSummary], metrics: Sequence[str]) -> str:
    """The table that a parent run's description shows. What is not known is a dash."""
    head = ["variant", "n", *metrics, "failed"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for each in summaries:
        cells = [each.variant.replace("|", "\\|"), f"{each.complete}/{each.planned}"]
        cells += [_cell(each, metric) for metric in metrics]
        lines.append(f"| {' | '.join([*cells, str(each.failed)])} |")
    return "\n".join(lines)


def _cell(summary: VariantSummary, metric: str) -> str:
    mean, std = summary.mean(metric), summary.std(metric)
    if mean is None:
        return "-"
    digits = 2 if abs(mean) >= 10 else 4
    text = f"{mean:.{digits}f}"
    return text if std is None or math.isnan(std) else f"{text} ± {std:.{digits}f}"


def as_csv(summaries: Sequence[VariantSummary]) -> str:
    """One row a variant and metric: variant, metric, mean, std, n, planned, failed."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["variant", "metric", "mean", "std", "n", "planned", "failed"])
    for each in summaries:
        for metric in metric_names(summaries):
            n = len(each.values.get(metric, ()))
            figures = [each.mean(metric), each.std(metric), n, each.planned, each.failed]
            rows.writerow([each.variant, metric, *("" if f is None else f for f in figures)])
    return text.getvalue()
