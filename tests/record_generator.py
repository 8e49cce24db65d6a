"""Write the records of a study that never ran, with planted effects, through the real writers.

    python tests/record_generator.py OUT                        50 variants x 20 seeds
    python tests/record_generator.py OUT --variants 6 --seeds 2 --points 12 --clips 64

For timing `compare` on large studies, and for tests of its statistics: what a study's numbers
should say is known, because it was put there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.event_log import EventLog
from tempo.records.events import (
    AttemptStarted,
    Evaluated,
    Event,
    Finished,
    ModelBuilt,
    Trained,
    Validated,
)
from tempo.records.files import sha256_of, write_atomic
from tempo.records.layout import Store

INFOS: dict[str, dict[str, Any]] = {
    "psnr": {
        "name": "psnr",
        "unit": "dB",
        "better": "higher",
        "digits": 2,
        "definition": "peak signal-to-noise ratio over RGB, data range 1, without rounding",
    },
    "ssim": {
        "name": "ssim",
        "unit": "",
        "better": "higher",
        "digits": 4,
        "definition": "structural similarity, 2-D Gaussian window 11, sigma 1.5",
    },
    "ie": {
        "name": "ie",
        "unit": "grey levels",
        "better": "lower",
        "digits": 2,
        "definition": "mean absolute difference of pictures rounded to 8 bits",
    },
    "edge": {
        "name": "edge",
        "unit": "grey levels/px",
        "better": "lower",
        "digits": 3,
        "definition": "mean absolute difference of Sobel gradient magnitudes",
    },
}
BASE = 30.0
"""PSNR of a variant without gain on a clip without difficulty, in dB."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard deviations in dB. `seed`, `clip`, `source` and `residual` are per variant, so a
    paired difference has sqrt(2) times as much; `shared` is common to all variants of a seed,
    `difficulty` to all variants on a clip."""

    seed: float = 0.1
    clip: float = 0.3
    source: float = 0.0
    residual: float = 0.2
    shared: float = 0.1
    difficulty: float = 3.0


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A variant and what is planted in it. `gain` in dB; `broken` seeds failed, `absent` ones
    were never started; `protocol` and `environment` replace fields of the records; `chosen` holds,
    by seed, the step of the reported checkpoint and the dB that this choice adds."""

    name: str
    gain: float = 0.0
    role: str = "variant"
    levels: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    parameters: int = 1_000_000
    seconds: float = 600.0
    broken: frozenset[int] = frozenset()
    absent: frozenset[int] = frozenset()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    chosen: Mapping[int, tuple[int, float]] = field(default_factory=dict)
    cpu_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study to write. `points` training points a run, and a validation at every fifth.

    `stream` draws the clips and what every variant makes of them, `redraw` seeds and residuals: two
    studies that differ in `redraw` are two trials of one truth.
    """

    arms: Sequence[Arm]
    seeds: int
    name: str = "planted"
    clips: int = 40
    sources: int = 8
    points: int = 20
    steps: int = 1000
    noise: Noise = Noise()
    stream: int = 0
    redraw: int = 0
    baseline: str | None = None
    gallery: int = 2
    question: str = "what was planted?"


def write_study(root: Path, study: Study) -> Plan:
    """Write plan and runs under `root`; returns the plan."""
    plan = plan_of(study)
    write_records(Store(root), study, plan)
    return plan


def write_records(store: Store, study: Study, plan: Plan) -> None:
    """Write `plan` and its runs, whose variants are the arms of `study` by name.

    The plan may be one that a spec expands to: its runs are then complete for every command.
    """
    store.save_plan(plan)
    arms = {arm.name: arm for arm in study.arms}
    draw = Draw(study)
    for run, spec in plan.specs():
        arm = arms[run.variant]
        if run.seed not in arm.absent:
            _write_run(store, study, arm, run, spec.config, draw)


def plan_of(study: Study) -> Plan:
    variants, runs = [], []
    for arm in study.arms:
        method = arm.name if arm.role == "reference" else "network"
        config = {"method": method, "arch": {}, "recipe": {"lr": 1e-4}, **arm.config}
        variants.append(
            PlannedVariant(name=arm.name, role=arm.role, levels=dict(arm.levels), config=config)
        )
        for seed in [None] if arm.role == "reference" else range(study.seeds):
            run_id = short_hash([study.name, arm.name, seed])
            runs.append(PlannedRun(run_id=run_id, variant=arm.name, seed=seed))
    spec = {"study": study.name, "seeds": study.seeds}
    return Plan(
        study=study.name,
        question=study.question,
        profile=None,
        source="planted.yaml",
        spec=spec,
        spec_hash=short_hash(spec),
        baseline=study.baseline,
        variants=tuple(variants),
        runs=tuple(runs),
    )


class Draw:
    """The random parts of every run, from one stream; `values` are PSNR per clip, in dB."""

    def __init__(self, study: Study) -> None:
        rng = np.random.default_rng(study.stream)
        noise, count = study.noise, len(study.arms)
        self.source = np.arange(study.clips) * study.sources // study.clips
        self.motion = rng.uniform(0, 24, study.clips)
        self.occlusion = rng.uniform(0, 0.3, study.clips)
        self.difficulty = rng.normal(size=study.clips) * noise.difficulty
        self.clip = rng.normal(size=(count, study.clips)) * noise.clip
        self.clip += (rng.normal(size=(count, study.sources)) * noise.source)[:, self.source]
        self.rng = rng = np.random.default_rng((study.stream, study.redraw))
        self.shared = rng.normal(size=study.seeds) * noise.shared
        self.seed = rng.normal(size=(count, study.seeds)) * noise.seed
        self.index = {arm.name: place for place, arm in enumerate(study.arms)}
        self.noise = noise

    def values(self, arm: Arm, seed: int | None) -> np.ndarray:
        place = self.index[arm.name]
        values = BASE + arm.gain + self.difficulty + self.clip[place]
        if seed is None:
            return values
        residual = self.rng.normal(size=len(values)) * self.noise.residual
        return values + self.shared[seed] + self.seed[place, seed] + residual


def _write_run(
    store: Store, study: Study, arm: Arm, run: PlannedRun, config: Mapping[str, Any], draw: Draw
) -> None:
    folder = store.save_run(RunSpec(run_id=run.run_id, seed=run.seed, config=config))
    reported, added = arm.chosen.get(-1 if run.seed is None else run.seed, (None, 0.0))
    values = draw.values(arm, run.seed) + added
    with EventLog(folder, attempt=1) as log:
        failed = run.seed is not None and run.seed in arm.broken
        steps = arm.steps or study.steps
        for event in _opening(arm, steps, run.seed):
            log.append(event)
        if run.seed is not None:
            _write_curves(log, study, arm, steps, float(values.mean()), failed=failed)
        if not failed:
            log.append(_evaluated(folder, study, arm, values, draw, reported or steps))
        log.append(_ending(arm, steps, run.seed, failed=failed))


def _opening(arm: Arm, steps: int, seed: int | None) -> list[Event]:
    environment = {"device": "cpu", "torch": "2.13.0", "world_size": 1, "code_stamp": "planted"}
    started = AttemptStarted(
        resumed_step=0, total_steps=steps, environment=environment | dict(arm.environment)
    )
    if seed is None:
        return [started]
    macs = arm.parameters * 1000
    return [started, ModelBuilt(parameters=arm.parameters, macs=macs, mac_size=(256, 256))]


def _write_curves(
    log: EventLog, study: Study, arm: Arm, steps: int, end: float, *, failed: bool
) -> None:
    points = study.points // 2 if failed else study.points
    for point in range(1, points + 1):
        part = point / study.points
        step = round(part * steps)
        reached = end - 6.0 * (np.exp(-4 * part) - np.exp(-4))
        values = {
            "loss": float(0.1 * np.exp(-3 * part)),
            "lr": float(1e-4 * (1 + np.cos(np.pi * part)) / 2),
            "grad_norm": 1.0,
            "skipped": 0.0,
            "clip_rate": 0.1,
            "step_ms": 1000 * arm.seconds / steps,
            "samples_per_s": 16 * steps / arm.seconds,
            "data_ms": 1.0,
        }
        log.append(Trained(step=step, clips=16 * step, epoch=step / 250, values=values))
        if point % 5 == 0:
            log.append(
                Validated(
                    step=step,
                    clips=16 * step,
                    epoch=step / 250,
                    seconds=part * arm.seconds,
                    values=_metrics(reached),
                )
            )


def _metrics(psnr: float) -> dict[str, float]:
    return {name: float(each) for name, each in _measures(np.array(psnr)).items()}


def _measures(psnr: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "psnr": psnr,
        "ssim": 0.9 + 0.01 * (psnr - BASE),
        "ie": 8.0 - 0.5 * (psnr - BASE),
        "edge": 20.0 - 1.5 * (psnr - BASE),
    }


def _evaluated(
    folder: Path, study: Study, arm: Arm, values: np.ndarray, draw: Draw, steps: int
) -> Evaluated:
    columns: dict[str, Any] = {
        "clip": [f"clip{index:05d}" for index in range(study.clips)],
        "source": [f"source{index:03d}" for index in draw.source],
        "motion": draw.motion,
        "occlusion": draw.occlusion,
    }
    measured = _measures(values)
    buffer = BytesIO()
    pq.write_table(pa.table(columns | measured), buffer)
    path = folder / "clips.parquet"
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))
    protocol = {"data": "planted", "split": "test", "clips": study.clips} | dict(arm.protocol)
    return Evaluated(
        split="test",
        step=steps,
        checkpoint="none" if arm.role == "reference" else "best",
        clips=study.clips,
        values={name: float(each.mean()) for name, each in measured.items()},
        infos=INFOS,
        protocol=protocol,
        protocol_hash=short_hash(protocol),
        table=path.name,
        table_sha256=sha256_of(path),
        gallery=tuple(_entry(folder, index) for index in range(study.gallery)),
    )


def _entry(folder: Path, index: int) -> dict[str, str]:
    parts = ("input0", "input1", "target", "prediction")
    paths = {part: f"gallery/{index:05d}-{part}.png" for part in parts}
    for path in paths.values():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(_grey_picture())
    return {"clip": f"clip{index:05d}"} | paths


@cache
def _grey_picture() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (16, 12), "grey").save(buffer, "PNG")
    return buffer.getvalue()


def _ending(arm: Arm, steps: int, seed: int | None, *, failed: bool) -> Finished:
    if failed:
        return Finished(
            status="failed",
            step=steps // 2,
            seconds=arm.seconds / 2,
            train_seconds=arm.seconds / 2,
            peak_memory=2**30,
            failure="non_finite",
            message="3 steps in a row were not finite",
            detail="Traceback (planted)",
        )
    seconds = 0.0 if seed is None else arm.seconds
    return Finished(
        status="complete",
        step=steps,
        seconds=seconds + 5,
        train_seconds=seconds,
        peak_memory=2**30,
        cpu_seconds=arm.cpu_seconds,
    )


def factorial_arms(
    factors: Mapping[str, Sequence[str]], gain: Callable[[Mapping[str, str]], float]
) -> list[Arm]:
    """One arm for every combination of levels, its gain from its levels."""
    cells: list[dict[str, str]] = [{}]
    for name, levels in factors.items():
        cells = [cell | {name: level} for cell in cells for level in levels]
    return [
        Arm(name=", ".join(f"{key}={value}" for key, value in cell.items()), gain=gain(cell),
            levels=cell, config={"arch": dict(cell)})
        for cell in cells
    ]  # fmt: skip


def large(variants: int, seeds: int, points: int, clips: int) -> Study:
    """Trained variants of five factors' worth of names, with gains from 0 to 1 dB."""
    levels = range(variants)
    arms = [
        Arm(
            name=f"blocks={number % 10}, se={number // 10}",
            gain=number / variants,
            levels={"blocks": str(number % 10), "se": str(number // 10)},
            config={"arch": {"blocks": number % 10, "se": number // 10}},
            parameters=1_000_000 + 50_000 * number,
            seconds=600 + 10 * number,
        )
        for number in levels
    ]
    references = [Arm(name=name, gain=-2.0, role="reference") for name in ("average", "nearest")]
    return Study(
        arms=[*arms, *references],
        seeds=seeds,
        name="large",
        points=points,
        clips=clips,
        sources=max(clips // 5, 2),
        noise=Noise(source=0.1),
        baseline=arms[0].name,
        steps=max(points, 1) * 100,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the records of a large planted study.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--variants", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--clips", type=int, default=500)
    options = parser.parse_args()
    study = large(options.variants, options.seeds, options.points, options.clips)
    plan = write_study(options.out, study)
    print(f"{len(plan.runs)} runs of study {plan.study!r} under {options.out}")


if __name__ == "__main__":
    main()
