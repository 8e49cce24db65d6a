"""Kill one run again and again with SIGKILL, and compare it with a run that nothing disturbed.

    python benchmarks/kill_resume.py
    python benchmarks/kill_resume.py --kills 40 --steps 400 --seed 1

Both runs are real workers in processes of their own. A kill comes at a random moment after the run
has got a random number of steps further; every new worker resumes from the last checkpoint. At the
end the weights, the optimiser and all random streams have to be equal to the last bit, and so have
every training report, validation and test metric.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from tempo.core.records import RunSpec
from tempo.records.event_log import read_events
from tempo.records.events import CheckpointSaved, Trained
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run
from tempo.spec.study import RunConfig, identity

MACHINE = ("_ms", "_per_s", "_mib", "seconds", "_megabytes", "_percentage")
"""Ends of the names of figures that depend on the clock or the memory."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--checkpoint-every", type=int, default=10)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare batches")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    return parser.parse_args()


def save_run(root: Path, chosen: argparse.Namespace) -> Path:
    config = RunConfig.model_validate(
        {
            "arch": {"base_channels": 4, "blocks": [0, 0, 1, 1]},
            "data": {
                "kind": "procedural",
                "size": [32, 32],
                "motion": [0.0, 2.0],
                "train_clips": 40,
                "val_clips": 4,
                "test_clips": 8,
            },
            "recipe": {
                "lr": 1e-3,
                "warmup": 20,
                "batch": 4,
                "crop": 16,
                "ema": 0.99,
                "precision": chosen.precision,
                "budget": {"steps": chosen.steps},
            },
            "evaluation": {"val_every": 50, "gallery": 2},
            "runtime": {
                "device": "cpu",
                "log_every": 5,
                "checkpoint_every": chosen.checkpoint_every,
                "workers": chosen.workers,
            },
        }
    )
    spec = RunSpec(run_id=identity(config, 0), seed=0, config=config.model_dump(mode="json"))
    return Store(root).save_run(spec)


def start(folder: Path, cache: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tempo.worker", "run", str(folder), "--cache", str(cache)]
    return subprocess.Popen(command)


def step_of(folder: Path) -> int:
    events = [each.event for each in read_events(folder)]
    steps = [each.step for each in events if isinstance(each, Trained | CheckpointSaved)]
    return max(steps, default=0)


def disturb(folder: Path, cache: Path, chosen: argparse.Namespace) -> int:
    """Carry out the run under fire; returns how many times it was killed."""
    moments = random.Random(chosen.seed)
    kills = 0
    while True:
        worker = start(folder, cache)
        if kills < chosen.kills:
            left = chosen.steps - step_of(folder)
            reach = max(1, 2 * left // (chosen.kills - kills + 1))
            target = step_of(folder) + moments.randint(1, reach)
            while worker.poll() is None and step_of(folder) < target:
                time.sleep(0.002)
            time.sleep(moments.uniform(0, 0.02))
            if worker.poll() is None:
                worker.kill()
                worker.wait()
                kills += 1
                print(f"kill {kills} at about step {step_of(folder)}", flush=True)
                continue
        if worker.wait() != 0:
            raise SystemExit(f"the worker failed: {read_run(folder).finish}")
        return kills


def flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        parts = [flat(item, f"{path}/{key}") for key, item in value.items()]
        return {key: item for part in parts for key, item in part.items()}
    if isinstance(value, list | tuple):
        return flat(dict(enumerate(value)), path)
    return {path: value}


def comparable(folder: Path) -> dict[str, Any]:
    """Everything that two runs of one spec have to share."""
    newest = sorted((folder / "checkpoints").glob("step-*.pt"))[-1]
    record: RunRecord = read_run(folder)
    shared = {
        "state": torch.load(newest, weights_only=True),
        "train": {each.step: dict(each.values) for each in record.train},
        "validation": {each.step: dict(each.values) for each in record.validations},
        "test": dict(record.test.values) if record.test else None,
        "table": record.test.table_sha256 if record.test else None,
    }
    return {key: item for key, item in flat(shared).items() if not key.endswith(MACHINE)}


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def main() -> int:
    chosen = options()
    with tempfile.TemporaryDirectory(prefix="kill-resume-") as root:
        cache = Path(root) / "cache"
        whole = save_run(Path(root) / "whole", chosen)
        if start(whole, cache).wait() != 0:
            raise SystemExit("the undisturbed run failed")
        killed = save_run(Path(root) / "killed", chosen)
        kills = disturb(killed, cache, chosen)
        mine, theirs = comparable(whole), comparable(killed)
        wrong = [
            key
            for key in sorted(mine.keys() | theirs.keys())
            if not equal(mine.get(key), theirs.get(key))
        ]
        attempts = read_run(killed).attempts
        lost = [a.last_step - b.resumed_step for a, b in pairwise(attempts)]
        print(
            f"{kills} SIGKILLs over {chosen.steps} steps, {len(attempts)} attempts, at most "
            f"{max(lost, default=0)} steps done again; {len(mine)} values compared, "
            f"{len(wrong)} differ"
        )
        for key in wrong[:20]:
            print(f"  {key}: {mine.get(key)!r} against {theirs.get(key)!r}")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
