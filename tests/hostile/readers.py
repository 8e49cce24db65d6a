"""Sound files of every kind of record, and the reader of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from tempo.core.records import MetricInfo, Plan, RunSpec
from tempo.core.verdict_rule import Rule
from tempo.records import seed_log, verdict_log
from tempo.records.event_log import Tail, read_events
from tempo.records.events import CheckpointSaved, encode
from tempo.records.files import sha256_of, write_json
from tempo.records.layout import Store, load_run, read_plan
from tempo.records.memory.clip_tables import read_table
from tempo.records.method_results.evaluations import EvaluationRecord, load_evaluation
from tempo.records.pictures import picture_size
from tempo.records.prices import Price, read_price
from tempo.records.pruned_runs import note_pruned, pruned_in
from tempo.records.reuse import planned_run_ids, reuse_status
from tempo.records.run_record import read_result, read_run
from tempo.records.search_record import SearchSummary, Spent, load_search, save_search
from tempo.records.seed_log import SeedLook, VariantLook, read_looks
from tempo.records.verdict_log import Look, LookedContrast, RuleEntry, read_log
from tempo.track.mirror_state import MirrorState
from tempo.train.evaluation.evaluator import Motions, ResumeLog
from tempo.train.run.checkpoints import Checkpoints, newest_sound

Reader = Callable[[Path], Any]
"""Reads the file at a path, which lies where records have it."""

INFO = MetricInfo(name="psnr", unit="dB", better="higher", digits=2, definition="mean PSNR")


def _plan() -> Plan:
    return Plan(
        study="hostile",
        question="",
        profile=None,
        source="hostile.yaml",
        spec={"study": "hostile", "seeds": {"from": 3, "to": 6, "by": 1, "until": "decided"}},
        spec_hash="0",
        baseline=None,
        variants=(),
        runs=(),
    )


def _store(path: Path) -> Store:
    """The records of which a file is below `studies/hostile`."""
    return Store(next(each for each in path.parents if each.name == "studies").parent)


def _every_event(path: Path) -> None:
    list(read_events(path.parent))
    Tail(path.parent).catch_up()
    write = path.parent / "run.json"
    if not write.exists():
        write_json(write, asdict(RunSpec(run_id="r1", seed=0)))
    read_run(path.parent)
    read_result(path.parent)
    reuse_status(path.parent)


def _plan_file(path: Path) -> None:
    planned_run_ids(path)
    read_plan(path)


def _checkpoint(path: Path) -> None:
    digest = sha256_of(path)  # As if the damaged file were what was written.
    folder = path.parent.parent
    saved = CheckpointSaved(step=1, path=str(path.relative_to(folder)), sha256=digest, best=True)
    newest_sound(Checkpoints(folder), [saved])


def _state(path: Path) -> None:
    state = MirrorState(path.parents[1])
    state.child(path.stem)
    state.invocations()
    state.experiment()


def _motions(path: Path) -> None:
    motions = Motions.__new__(Motions)
    motions._path = path
    motions._read()


READERS: dict[str, tuple[str, Reader]] = {
    "plan": ("studies/hostile/plans/default.json", _plan_file),
    "current": ("studies/hostile/current", lambda path: _store(path).load_plan("hostile")),
    "run": ("runs/r1/run.json", lambda path: load_run(path.parent)),
    "events": ("runs/r1/events.jsonl", _every_event),
    "clips": ("runs/r1/clips.parquet", lambda path: read_table(path, sha256_of(path))),
    "picture": ("runs/r1/gallery/0-target.png", picture_size),
    "verdicts": (
        "studies/hostile/verdicts/default.jsonl",
        lambda path: read_log(_store(path), _plan()),
    ),
    "seeds": (
        "studies/hostile/seeds/default.jsonl",
        lambda path: read_looks(_store(path), _plan()),
    ),
    "search": (
        "studies/hostile/search/default/summary.json",
        lambda path: load_search(_store(path), "hostile"),
    ),
    "pruned": (
        "studies/hostile/search/default/pruned.jsonl",
        lambda path: pruned_in(_store(path), "hostile", None),
    ),
    "price": ("prices/abc-def.json", read_price),
    "evaluation": ("evaluations/x/evaluation.json", lambda path: load_evaluation(path.parent)),
    "checkpoint": ("runs/r1/checkpoints/step-00000001.pt", _checkpoint),
    "rows": ("runs/r1/rows.jsonl", lambda path: ResumeLog(path.with_name("new"), "key", [path])),
    "motions": ("cache/digest-motion.json", _motions),
    "mirror": ("mirror/store/hostile/runs/r1.json", _state),
    "invocation": ("mirror/store/hostile/invocations/i1.json", _state),
}
"""Where a kind of file lies in a folder of records, and what reads it."""


def write_sound(root: Path, sound: Path) -> None:
    """Write one sound file of every kind below `root`; `sound` is a folder with a whole study."""
    store = Store(root)
    plan = Store(sound / "records").load_plan("hostile")
    store.save_plan(plan)
    run = next(each for each in plan.runs if each.seed is not None)
    written = Store(sound / "records").run_dir(run.run_id)
    folder = root / "runs" / "r1"
    for name in ("gallery", "checkpoints"):
        (folder / name).mkdir(parents=True)
    for name in ("run.json", "events.jsonl"):
        (folder / name).write_bytes((written / name).read_bytes())
    columns = {"clip": ["a", "b"], "source": ["s", "s"], "psnr": np.array([1.0, 2.0])}
    pq.write_table(pa.table(columns), folder / "clips.parquet")
    Image.new("RGB", (24, 24), "grey").save(folder / "gallery" / "0-target.png")
    torch.save({"trainer": {"model": {"w": torch.zeros(3)}}}, folder / READERS["checkpoint"][0][8:])
    row = {"index": 0, "clip": "a", "source": "s", "values": {"psnr": 1.0}}
    row |= {"motion": None, "occlusion": None}
    line = '{"row": %s, "batch": [0, 1], "gallery": null}'
    text = "\n".join([json.dumps({"key": "key"}), line % json.dumps(row)])
    (folder / "rows.jsonl").write_text(text + "\n")
    _write_logs(store)
    save_search(store, _summary())
    note_pruned(store, "hostile", None, ["r1"], pruned=True)
    price = Price(
        device="cpu", world_size=1, steps=3, step_ms=1.0, setup_s=1.0, validation_s=1.0,
        evaluation_s=1.0, peak_memory=1,
    )  # fmt: skip
    write_json(root / READERS["price"][0], asdict(price))
    _evaluation().save(root / "evaluations" / "x")
    write_json(root / READERS["motions"][0], {"a": [1.0, 0.1]})
    state = MirrorState(root / "mirror" / "store" / "hostile")
    state.save_child("r1", state.child("r1"))
    write_json(
        root / READERS["invocation"][0],
        encode({"id": "i1", "started": 1.0, "about": {"command": "tempo run"}}),
    )


def _write_logs(store: Store) -> None:
    rule = Rule(
        metrics=("psnr",), delta={"psnr": 0.05}, alpha=0.05, power=0.8, on="test",
        spending="pocock", baseline=None, sentence="PSNR.",
    )  # fmt: skip
    contrast = LookedContrast(
        variant="a", baseline="b", metric="psnr", seeds=3, planned=3, value=0.1, low=0.0,
        high=0.2, p=0.1, p_equal=None, p_adjusted=0.1, level=0.95, word="better", pairs=("x",),
    )  # fmt: skip
    verdict_log.append(store, _plan(), RuleEntry(time=1.0, rule=rule, complete=0, runs=6))
    look = Look(time=2.0, by="run", data="d", rule=rule.hash, contrasts=(contrast,))
    verdict_log.append(store, _plan(), look)
    (store.study_dir("hostile") / "seeds").mkdir()
    opened = SeedLook(seeds=3, variants={"a": VariantLook(state="open", seeds=3)}, runs=("r1",))
    seed_log.append_look(store, _plan(), opened)


def _summary() -> SearchSummary:
    return SearchSummary(
        study="hostile", profile=None, question="", source="s.yaml", objectives=(), space=(),
        sampler="tpe", pruner="none", constraints=(), rules=(), seeds=(0,), trials=(),
        rejected={}, best=(), front=(), confirmed=(), importances=(), budget={"trials": 3},
        spent=Spent(trials=0, device_hours=0.0, hours=0.0), storage="x", optuna_study="hostile",
        over=False,
    )  # fmt: skip


def _evaluation() -> EvaluationRecord:
    return EvaluationRecord(
        method="average", identity={}, run_id=None, checkpoints=(), test_set="x", protocol={},
        protocol_hash="p", asked_hash="p", clips=1, broken={}, values={"psnr": 1.0},
        infos={"psnr": INFO}, not_applicable={}, table="clips.parquet", table_sha256="",
        gallery=(), compared=None, environment={}, notes=(), started=1.0, seconds=1.0,
    )  # fmt: skip
