"""Write the records of a study that is complete, so that every command serves it without training.

The plan is that of a real spec and the code stamp that of this code: `tempo run` finds nothing to
do. The numbers are made up.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tempo.core.code_stamp import code_stamp
from tempo.core.identity import short_hash
from tempo.core.records import PlannedRun, PlannedVariant, RunSpec
from tempo.design.expand import expand
from tempo.records.event_log import EventLog
from tempo.records.events import (
    AttemptStarted,
    Claimed,
    Evaluated,
    Finished,
    ModelBuilt,
    Trained,
    Validated,
)
from tempo.records.files import sha256_of
from tempo.records.layout import Store
from tempo.spec.load import load_study
from tempo.spec.metrics import METRIC_INFOS
from tempo.workflow.verdicts import record_rule

SPEC = """
study: hostile
question: Does what is damaged stop what is not?
arch: {base_channels: 4, blocks: [1, 1, 1, 1]}
data: {kind: procedural, size: [24, 24], motion: [1, 2], train_clips: 4, val_clips: 2,
  test_clips: 6}
recipe: {batch: 2, crop: 16, budget: {steps: 20}}
evaluation: {val_every: 10, gallery: 2}
runtime: {device: cpu}
factors:
  se: {path: arch.se, levels: {on: squeeze_excite, off: none}}
design:
  - {kind: factorial, factors: [se]}
baseline: se=on
seeds: 3
"""
CLIPS = 6


def write(folder: Path) -> Store:
    """Write `hostile.yaml` and the folder `records` of the study; return the records."""
    spec = folder / "hostile.yaml"
    spec.write_text(SPEC)
    plan = expand(load_study(spec))
    store = Store(folder / "records")
    store.save_plan(plan)
    record_rule(store, plan, print)
    rng = np.random.default_rng(0)
    for run in plan.distinct_runs:
        _write_run(store, plan.variant(run.variant), run, rng)
    return store


def _write_run(
    store: Store, variant: PlannedVariant, run: PlannedRun, rng: np.random.Generator
) -> None:
    folder = store.save_run(RunSpec(run_id=run.run_id, seed=run.seed, config=variant.config))
    trained = run.seed is not None
    environment = {
        "host": "here",
        "pid": 1,
        "device": "cpu",
        "threads": 1,
        "compile": "off",
        "world_size": 1,
        "code_stamp": code_stamp(),
    }
    (folder / "attempts").mkdir()
    (folder / "attempts" / "1.log").write_text("a line that the worker printed\n")
    with EventLog(folder, 1) as log:
        log.append(Claimed(host="here", pid=1))
        steps = 20 if trained else 0
        log.append(AttemptStarted(resumed_step=0, total_steps=steps, environment=environment))
        if trained:
            log.append(ModelBuilt(parameters=1000, macs=10**6, mac_size=(24, 24)))
        for step in (10, 20) if trained else ():
            at = {"step": step, "clips": 2 * step, "epoch": step / 2}
            log.append(Trained(**at, values={"loss": 1 / step, "lr": 1e-3, "step_ms": 5.0}))
            log.append(Validated(**at, seconds=step / 10, values={"psnr": 20 + step / 10}))
        log.append(_evaluated(folder, steps, rng))
        log.append(
            Finished(
                status="complete", step=steps, seconds=9.0, train_seconds=8.0, peak_memory=2**28
            )
        )


def _evaluated(folder: Path, step: int, rng: np.random.Generator) -> Evaluated:
    psnr = 25 + rng.normal(size=CLIPS)
    columns = {
        "clip": [f"clip{index}" for index in range(CLIPS)],
        "source": [f"source{index // 2}" for index in range(CLIPS)],
        "motion": rng.uniform(0, 9, CLIPS),
        "occlusion": rng.uniform(0, 0.1, CLIPS),
        "psnr": psnr,
    }
    pq.write_table(pa.table(columns), folder / "clips-a0001.parquet")
    protocol = {"data": "made up", "split": "test", "clips": CLIPS}
    return Evaluated(
        split="test",
        step=step,
        checkpoint="best",
        clips=CLIPS,
        values={"psnr": float(psnr.mean())},
        infos={"psnr": asdict(METRIC_INFOS.get("psnr"))},
        protocol=protocol,
        protocol_hash=short_hash(protocol),
        table="clips-a0001.parquet",
        table_sha256=sha256_of(folder / "clips-a0001.parquet"),
        gallery=tuple(_pictures(folder, index) for index in range(2)),
    )


def _pictures(folder: Path, index: int) -> dict[str, str]:
    names = ("input0", "input1", "target", "prediction")
    entry = {name: f"gallery/{index:05d}-{name}.png" for name in names}
    (folder / "gallery").mkdir(exist_ok=True)
    for shade, path in enumerate(entry.values()):
        Image.new("RGB", (24, 24), (60 * shade, 90, 120)).save(folder / path)
    return {
        "clip": f"clip{index}",
        "prediction_sha256": sha256_of(folder / entry["prediction"]),
    } | entry
