"""Hold everything that a report shows, computed from records alone.

Paths are absolute. Mappings by variant keep the design's order. What is missing is None or absent,
never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tempo.comparison import evidence
from tempo.comparison.differences.difference import Differences
from tempo.comparison.statistics import quantities
from tempo.core.records import Exclusion, MetricInfo
from tempo.core.verdict_rule import Rule
from tempo.records.verdict_log import Look, RuleEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What a number means. Numbers under different hashes are never ranked together."""

    hash: str
    fields: Mapping[str, Any]
    variants: tuple[str, ...]
    ranked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a variant costs: means over its finished seeds, None when not recorded.

    `macs` is one forward pass over `mac_size` (height, width) pixels; `train_seconds` wall-clock
    training of one run; `device_hours` that of each attempt times its devices; `peak_memory` in
    bytes; `step_ms` per optimiser step; `gain_per_hour` is the metric's gain over frame averaging
    per device-hour. `compile_seconds` is all compilation of one run, which `train_seconds` leaves
    out; `cold_compile_seconds` is one compilation that had to build something,
    `warm_compile_seconds` one that found everything in the cache.
    `hours_behind` are device-hours of the runs whose weights a run takes, and of those behind them;
    they count in `gain_per_hour` and in nothing else here. `latency_ms` is the time of one
    predicted frame in the last session of `tempo bench`, `latency_at` says of what.
    `cpu_seconds` is processor time of one run, user and system, evaluation included.
    """

    parameters: int | None = None
    macs: int | None = None
    mac_size: tuple[int, int] | None = None
    train_seconds: float | None = None
    device_hours: float | None = None
    peak_memory: int | None = None
    step_ms: float | None = None
    gain_per_hour: float | None = None
    device: str | None = None
    compile_seconds: float | None = None
    cold_compile_seconds: float | None = None
    warm_compile_seconds: float | None = None
    hours_behind: float | None = None
    latency_ms: float | None = None
    latency_at: str = ""
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A variant or reference as a row of the table.

    `state`: complete (all planned seeds), partial (some), failed (none finished and at least one
    failed) or missing (none finished). `estimates` has no key for a metric without a value.
    `note` is the sentence to print beside the row, empty when there is nothing to say.
    `means` by metric: the mean with an interval that covers the draw of seeds and of clips, where
    that of `estimates` speaks of these clips only. `contrasts` by metric, against the baseline;
    `group` is its label under --group-by.
    """

    variant: str
    role: Literal["baseline", "variant", "reference"]
    state: Literal["complete", "partial", "failed", "missing"]
    levels: Mapping[str, str]
    seeds: int
    planned_seeds: int
    estimates: Mapping[str, quantities.Estimate]
    contrasts: Mapping[str, quantities.Contrast]
    cost: Cost
    protocol_hash: str | None
    checkpoint: str
    note: str = ""
    group: str | None = None
    rank: int | None = None
    means: Mapping[str, quantities.Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run without a result. `log`: the attempt's log file, when it is there."""

    run_id: str
    variant: str
    seed: int | None
    status: str
    failure: str | None
    message: str
    detail: str
    step: int
    attempts: int
    folder: Path
    log: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field in which runs that are compared differ, though they were meant to be alike.

    `severity`: `unintended` (a confound: not what the study varies), `intended` (follows from a
    factor) or `note`. `values` maps a variant to what was seen, as text.
    """

    field: str
    severity: Literal["unintended", "intended", "note"]
    values: Mapping[str, str]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All contrasts of a study, and what is needed to show and to check them.

    `metric` is the primary one; `metrics` those of the table, primary first; `panels` further ones
    (of edges and of time) that rows have estimates of but no contrasts. `at` says which
    checkpoint the numbers are of, as a sentence; `split` what its clips are called; `test_set` is
    the name of the further test set that this is a comparison on. `headline` holds the
    sentences to read first; `fingerprint` identifies the records that went in, by the lengths of
    their event logs.
    `best`: by metric the best row and those not shown to be worse. `test_sets`: the same variants
    on further sets, in the plan's order, `on_sets` what these say together, sentence by sentence.
    `disagreements`: per variant the clips that differ most from the baseline, gains then losses.
    `from_baseline`: per variant in what its runs differ from the baseline's, of settings to cost.
    `complete`: every planned run finished. `rankable`: one protocol covers every row.

    `rule` is what the study asks, `rules` when it was fixed and changed; `exploratory` says in what
    the question departs from it, empty where it does not. `looks` are the recorded looks at the
    rule's contrasts, `look` is the one that this comparison is, without a time until it is
    recorded; None where no verdict of the rule is shown.

    What a table does not show (effects, attribution, curves, learning, budgets, pareto, strata,
    clips and pictures) is empty where the query asked for the table alone. `long_format` lists the
    per-clip values and the curves row by row.
    """

    study: str
    question: str
    profile: str | None
    source: str
    spec: Mapping[str, Any]
    spec_hash: str
    baseline: str | None
    metric: str
    metrics: tuple[MetricInfo, ...]
    delta: float | None
    level: float
    at: str
    split: str
    test_set: str | None = None
    complete: bool
    planned_runs: int
    finished_runs: int
    rankable: bool
    protocols: tuple[Protocol, ...]
    headline: tuple[str, ...]
    rows: tuple[Row, ...]
    contrasts: tuple[quantities.Contrast, ...]
    rule: Rule
    rules: tuple[RuleEntry, ...] = ()
    exploratory: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()
    look: Look | None = None
    main_effects: tuple[quantities.Effect, ...] = ()
    interactions: tuple[quantities.Effect, ...] = ()
    aliases: tuple[quantities.Alias, ...] = ()
    attribution: quantities.Attribution | None = None
    noise: tuple[quantities.Noise, ...]
    power: tuple[quantities.Power, ...]
    fairness: tuple[Difference, ...]
    failures: tuple[Failure, ...]
    exclusions: tuple[Exclusion, ...]
    curves: tuple[evidence.Curve, ...] = ()
    health: tuple[evidence.Curve, ...] = ()
    learning: tuple[evidence.Learning, ...] = ()
    budgets: tuple[evidence.BudgetView, ...] = ()
    pareto: tuple[evidence.Pareto, ...] = ()
    strata: tuple[evidence.Stratum, ...] = ()
    clip_table: evidence.ClipTable | None = None
    gallery: tuple[evidence.GalleryClip, ...] = ()
    runs: tuple[evidence.RunInfo, ...]
    fingerprint: str
    stale: tuple[str, ...] = ()
    disagreements: tuple[evidence.Disagreement, ...] = ()
    panels: tuple[MetricInfo, ...] = ()
    best: tuple[evidence.Best, ...] = ()
    test_sets: tuple[SetComparison, ...] = ()
    on_sets: tuple[str, ...] = ()
    from_baseline: tuple[Differences, ...] = ()

    @property
    def title(self) -> str:
        """The study's name, with the further test set that this is a comparison on."""
        return self.study if self.test_set is None else f"{self.study} on {self.split}"

    @property
    def trained(self) -> list[Row]:
        """The rows with weights, in design order."""
        return [row for row in self.rows if row.role != "reference"]

    @property
    def references(self) -> list[Row]:
        """The rows of methods without weights."""
        return [row for row in self.rows if row.role == "reference"]

    def row(self, variant: str) -> Row:
        return {row.variant: row for row in self.rows}[variant]

    def info(self, metric: str) -> MetricInfo:
        """Return the definition of `metric`; KeyError when nothing here is measured by it."""
        return {info.name: info for info in (*self.metrics, *self.panels)}[metric]

    def contrast(self, variant: str, metric: str | None = None) -> quantities.Contrast | None:
        """Return the contrast of `variant` with the baseline, in the primary metric by default."""
        return self.row(variant).contrasts.get(metric or self.metric)

    def curve(self, variant: str, name: str) -> evidence.Curve | None:
        """Return the validation or training curve called `name` of `variant`, or None."""
        for curve in (*self.curves, *self.health):
            if curve.variant == variant and curve.name == name:
                return curve
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetComparison:
    """The variants of a study on a further test set.

    `title` is what people call the set. `found` holds rows, contrasts, protocol and strata like the
    comparison of any study, with the verdicts of the family that all sets share; None where no
    evaluation has finished. `finished_runs` of `planned_runs` evaluations have. `sentences` say
    what is missing here, and where the clips are of too few sources. `methods`
    are the names of methods of others, which have no seeds.
    """

    name: str
    title: str
    planned_runs: int
    finished_runs: int
    found: Comparison | None
    sentences: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every planned evaluation has finished."""
        return self.finished_runs == self.planned_runs
