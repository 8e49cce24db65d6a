"""Hold what stands behind a comparison's numbers: curves, budgets, clips, pictures and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tempo.comparison.statistics.quantities import Estimate, Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A quantity over training: mean over seeds, and a band.

    `split` is `train` or `val`; `steps`, `epochs`, `seconds`, `mean`, `low`, `high` and `counts`
    (seeds behind each point) run in parallel. The band is `band` (a sentence); it is None at
    points with one seed. `lines`: each seed's own validation values at `steps`, None where it has
    none; training curves keep only mean and band. `stages`: the steps after which another stage of
    the training begins, with its name.
    """

    variant: str
    name: str
    split: Literal["train", "val"]
    steps: tuple[int, ...]
    epochs: tuple[float, ...]
    seconds: tuple[float | None, ...]
    mean: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    counts: tuple[int, ...]
    band: str
    lines: Mapping[int, tuple[float | None, ...]]
    stages: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """When a variant's validation metric first reaches `level`; medians over seeds that do.

    `passed` of `seeds` get there; `step` and `seconds` are None when fewer than half do.
    """

    level: float
    step: float | None
    seconds: float | None
    passed: int
    seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """A point of the learning curve that runs noted themselves; `value` is the mean over `seeds`.

    `name`: "PSNR at epoch 20"; `unit`: dB; `place`: where it stands among the others, epochs before
    ends of stages, by number.
    """

    name: str
    value: float
    unit: str
    seeds: int
    place: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """Speed of learning of a variant, from its validation curve.

    `area`: mean height of the curve over steps (area divided by span), in the metric's unit;
    `plateau`: first step after which the metric never again improves by more than `tolerance` in
    total, None when it still improved at the end, and `plateau_epoch` the passes over the data by
    then; `milestones`: those that some seed noted.
    """

    variant: str
    metric: str
    area: Interval | None
    passings: tuple[Passing, ...]
    plateau: int | None
    tolerance: float
    definition: str
    milestones: tuple[Milestone, ...] = ()
    plateau_epoch: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """All variants at one equal budget. `budget`: steps, wall-clock, device-hours or parameters.

    `at` is the amount in `unit`; `values` the validation metric there (test under parameters),
    None where a variant never got that far; `note` says how `at` was chosen.
    """

    budget: str
    at: float
    unit: str
    metric: str
    split: str
    values: Mapping[str, Estimate | None]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoPoint:
    """`member`: on the front by the means; `probability` of being on it, given the noise."""

    variant: str
    cost: float
    value: float
    low: float | None
    high: float | None
    member: bool
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """Quality against one cost: parameters, macs, peak_memory, step_ms or device_hours."""

    cost: str
    unit: str
    metric: str
    points: tuple[ParetoPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Clips alike in `by` (motion, occlusion, texture): from `low` to `high`.

    `values`: mean metric by variant; `differences`: variant minus baseline by variant.
    """

    by: str
    label: str
    low: float
    high: float
    clips: int
    metric: str
    values: Mapping[str, Interval]
    differences: Mapping[str, Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTable:
    """Per-clip values, averaged over the seeds of each variant; one entry per clip throughout.

    `values[metric][variant]`; `properties` by name (motion, occlusion, and any other number per
    clip that the evaluation recorded and no metric is).
    """

    clips: tuple[str, ...]
    sources: tuple[str, ...]
    properties: Mapping[str, tuple[float, ...]]
    values: Mapping[str, Mapping[str, tuple[float, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A clip on which a variant differs from the baseline as on few others.

    `difference` is in the primary metric, mean over the seeds of each side; `pictured` says
    whether the gallery shows the clip.
    """

    variant: str
    baseline: str
    clip: str
    source: str
    difference: float
    pictured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A variant's prediction of one gallery clip, of the seed named."""

    variant: str
    seed: int | None
    run_id: str
    path: Path
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryClip:
    """A clip whose pictures are kept: `inputs` in time order, `target`, one picture a variant.

    `spread` is the range of the primary metric over trained variants: the gallery is sorted by it,
    largest first. `rank_overall` is its place by spread among all clips, 1 being the largest.
    """

    clip: str
    source: str
    properties: Mapping[str, float]
    inputs: tuple[Path, ...]
    target: Path
    pictures: tuple[Picture, ...]
    spread: float | None
    rank_overall: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """The run behind a number. `environment` is that of the last attempt.

    `table` is the Parquet file of its test evaluation's values per clip, None without one.
    """

    run_id: str
    variant: str
    seed: int | None
    status: str
    folder: Path
    attempts: int
    started: float | None
    ended: float | None
    step: int
    total_steps: int
    checkpoint: str
    checkpoint_step: int | None
    train_seconds: float | None
    values: Mapping[str, float]
    environment: Mapping[str, Any]
    table: Path | None = None
    table_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The row with the best mean of a metric, and what can be told apart from it.

    `behind` are differences from the best by row, each with the p value after Holm over all rows,
    None where nothing can be tested; `worse` are the rows that are worse at the error rate `alpha`,
    `not_worse` the others that were judged under the same protocol.
    """

    metric: str
    best: str
    alpha: float
    behind: Mapping[str, tuple[float, float | None]]
    worse: tuple[str, ...]
    not_worse: tuple[str, ...]
