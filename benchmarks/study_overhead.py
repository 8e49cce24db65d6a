"""What a whole small study costs over a plain loop that trains and evaluates the same.

    python benchmarks/study_overhead.py
    python benchmarks/study_overhead.py --rounds 5 --spec ablations/se_dilation.yaml --profile smoke

A study begins with empty records and a cache of decoded pictures; processes check the machine,
carry out each run and mirror it into MLflow, and a report is drawn. The plain loop is one process:
it imports torch, trains the same networks for as many steps on the same batches one after the
other, validates, evaluates on the test clips, saves the weights and prints a mean of each. They
take turns, so that whatever slows the machine slows both, and Python keeps compiled modules, as it
does unless told otherwise. Printed are medians of processor seconds, of each process and all that
it started, with the range; and for the study those of its parts. Linux only: this process adopts
the study's fork server to learn what it and the runs cost.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tempo.records.layout import Store
from tempo.records.run_record import read_run

ROOT = Path(__file__).parents[1]
PR_SET_CHILD_SUBREAPER = 36

PLAIN = """
import sys
from pathlib import Path
import torch
import tempo
from tempo.data.batches import TrainBatches
from tempo.data.open_dataset import prepare
from tempo.losses import build_objective
from tempo.metrics.metric_table import evaluate_pair
from tempo.metrics.references import REFERENCES
from tempo.models.family import build_model
from tempo.spec.study import RunConfig
from tempo.train.run.batch_stream import horizon

torch.set_num_threads(1)
spec, profile, cache, out = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
plan = tempo.load_study(spec, profile=profile).expanded

def measure(predict, clips, metrics):
    found = {}
    with torch.inference_mode():
        for clip in map(clips.__getitem__, range(len(clips))):
            frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)[None].float() / 255
            target = torch.from_numpy(clip.target).permute(2, 0, 1)[None].float() / 255
            times, moment = torch.tensor([clip.times]), torch.tensor([clip.target_time])
            values = evaluate_pair(predict(frames, times, moment), target, metrics)
            for name, value in values.items():
                found.setdefault(name, []).append(value.mean().item())
    return {name: sum(values) / len(values) for name, values in found.items()}

def train(config, seed, splits):
    torch.manual_seed(seed)
    recipe, model = config.recipe, build_model(config.arch, seed)
    steps = horizon(recipe, len(splits["train"])).steps
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.lr)
    objective = build_objective(recipe.loss)
    batches = TrainBatches(
        splits["train"], seed=seed, batch=recipe.batch, crop=recipe.crop, augment=recipe.augment
    )
    for step in range(steps):
        batch = batches.batch(step)
        frames, target = batch.frames.float() / 255, batch.target.float() / 255
        prediction = model(frames, batch.times, batch.target_time)
        objective(prediction, target, step / steps)[0].mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip or 1e9)
        optimiser.step()
        optimiser.zero_grad()
        if (step + 1) % config.evaluation.val_every == 0:
            measure(model, splits["val"], config.evaluation.validated)
    torch.save(model.state_dict(), out / f"{seed}.pt")
    return model

configs = {each.name: RunConfig.model_validate(each.config) for each in plan.variants}
for run in plan.distinct_runs:
    config = configs[run.variant]
    splits = prepare(config.data, cache)
    network = config.method == "network"
    method = train(config, run.seed, splits) if network else REFERENCES[config.method]
    print(run.variant, run.seed, measure(method, splits["test"], config.evaluation.metrics))
"""
"""Trains and evaluates every run of a study as a short script would, with Tempo's networks, clips
and metrics."""


def adopt_orphans() -> None:
    """Become the parent of what a child leaves behind, such as the fork server of a study."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise SystemExit("this system tells nothing of processes that a study leaves behind")


def cost_of(arguments: Sequence[str]) -> float:
    """Return the processor seconds of a Python and all that it starts, until the last one ended."""
    before = _children()
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            [sys.executable, *arguments], stdout=said, stderr=said, cwd=ROOT, env=environment
        )
        if child.wait():
            said.seek(0)
            raise SystemExit(f"{arguments[0]} failed:\n{said.read()[-3000:]}")
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_attempts(records: Path) -> float:
    """Return the processor seconds that the runs noted of themselves."""
    store = Store(records)
    runs = [read_run(store.run_dir(folder.name)) for folder in (records / "runs").iterdir()]
    return sum(run.cpu_seconds or 0.0 for run in runs)


def shown(name: str, found: Sequence[float], base: float) -> str:
    middle = statistics.median(found)
    extent = f"({min(found):.1f} to {max(found):.1f})"
    return f"{name:36}{middle:6.1f} {extent:16}{middle / base:6.2f} times the plain loop"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", default="ablations/se_dilation.yaml")
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    adopt_orphans()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        cache, out = Path(temporary) / "cache", Path(temporary) / "out"
        out.mkdir()
        plain = ["-c", PLAIN, chosen.spec, chosen.profile, str(cache), str(out)]
        # Decodes the pictures, which neither side is charged for.
        cost_of(plain)
        for turn in range(chosen.rounds):
            found.setdefault("plain loop", []).append(cost_of(plain))
            records = Path(temporary) / f"records{turn}"
            study = ["run_experiment.py", chosen.spec, "--profile", chosen.profile]
            study += ["--records", str(records), "--cache", str(cache)]
            study += ["--reports", str(Path(temporary) / "reports")]
            found.setdefault("study", []).append(cost_of(study))
            bare = Path(temporary) / f"bare{turn}"
            study[study.index(str(records))] = str(bare)
            unmirrored = cost_of([*study, "--mlflow", "off"])
            found.setdefault("study, without its mirror", []).append(unmirrored)
            # Of the complete study, what is left to do is to compare and to draw the report.
            report = cost_of([*study, "--mlflow", "off"])
            found.setdefault("of it comparing and reporting", []).append(report)
            found.setdefault("of it attempts", []).append(in_attempts(bare))
    base = statistics.median(found["plain loop"])
    print("processor seconds")
    for name, seconds in found.items():
        print(shown(name, seconds, base))


if __name__ == "__main__":
    main()
