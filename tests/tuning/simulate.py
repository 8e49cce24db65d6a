"""Searches over a planted response surface: real trials, real records, and no training."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tempo.core.records import RunStatus
from tempo.core.seeding import stream
from tempo.ledger.open import open_ledger
from tempo.records.event_log import EventLog, last_attempt
from tempo.records.events import AttemptStarted, Evaluated, Finished, ModelBuilt, Validated
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.spec.load import LoadedStudy, load_study
from tempo.tuning.session import Search
from tempo.tuning.space import Params
from tempo.tuning.trials import Trial

SPEC = """
study: planted
question: Where is the top?
data: procedural
recipe: {lr: 1e-3, warmup: 100, budget: {steps: 90}}
evaluation: {val_every: 30}
factors:
  lr: {path: recipe.lr, range: {low: 1e-5, high: 1e-1, log: true}}
  warmup: {path: recipe.warmup, range: {low: 0, high: 400, step: 50, whole: true}}
  clip: {path: recipe.grad_clip, range: {low: 0.1, high: 2}}
  se: {path: arch.se, levels: {on: squeeze_excite, off: none}}
  dilation:
    path: arch.dilations
    levels: {off: [1], pattern: [1, 1, 2, 1, 2, 1], wide: [1, 2, 4]}
    when: {se: on}
search:
  budget: {trials: 12}
  pruner: none
"""
"""A space of every kind: logarithmic, stepped and plain ranges, levels, a condition."""

STEPS = (30, 60, 90)
TOP = 40.0


def surface(params: Params) -> float:
    """At most `TOP`: a bowl in log lr whose place depends on warmup, an interaction of levels."""
    lr, warmup = math.log10(float(params["lr"])), float(params["warmup"])
    bowl = (lr + 3.0 - warmup / 400) ** 2
    clip = 0.5 * abs(float(params["clip"]) - 1.0)
    levels = {"off": 0.6, "pattern": 0.0, "wide": 0.3}
    attention = levels[str(params["dilation"])] if params["se"] == "on" else 1.0
    return TOP - bowl - clip - attention


def noisy(params: Params, seed: int, sd: float = 0.1) -> float:
    """The surface as one seed of a run sees it."""
    key = ",".join(f"{name}={value}" for name, value in sorted(params.items()))
    return surface(params) + random.Random(stream(seed, key)).gauss(0.0, sd)


def write_spec(folder: Path, text: str = SPEC, name: str = "planted.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def load(
    folder: Path, overrides: Sequence[str] = (), text: str = SPEC, profile: str | None = None
) -> LoadedStudy:
    return load_study(write_spec(folder, text), profile=profile, overrides=overrides)


def open_search(
    loaded: LoadedStudy,
    root: Path,
    costs: Callable[[Mapping[str, object], Sequence[str]], Mapping[str, float]] | None = None,
) -> Search:
    return Search(loaded, Store(root), open_ledger(None, root), costs=costs)


class Runs:
    """Plays the workers: writes what a run would have written.

    `clips`: of the test evaluation, with a table of their values; 0 writes none.
    """

    def __init__(
        self,
        store: Store,
        value: Callable[[Params, int], float] = noisy,
        pause: float = 0.0,
        clips: int = 0,
    ) -> None:
        self.store, self.value, self.pause, self.clips = store, value, pause, clips
        self.carried_out: list[str] = []

    def carry_out(self, trial: Trial, seed: int, *, upto: int = STEPS[-1]) -> None:
        """Another attempt at a run, from its last validation up to a step."""
        folder = self.store.save_run(trial.spec(seed))
        begun = max((event.step for event in read_run(folder).validations), default=0)
        if begun >= upto:
            return
        self.carried_out.append(trial.runs[seed].run_id)
        final = self.value(trial.params, seed)
        number = last_attempt(folder) + 1
        with EventLog(folder, number) as log:
            log.append(AttemptStarted(resumed_step=begun, total_steps=STEPS[-1]))
            time.sleep(self.pause)
            if begun == 0:
                log.append(ModelBuilt(parameters=1000, macs=5000, mac_size=(8, 8)))
            for step in STEPS:
                if begun < step <= upto:
                    log.append(_validated(step, final - 3.0 * (1 - step / STEPS[-1])))
            done = upto == STEPS[-1]
            if done:
                log.append(_evaluated(final - 0.2, folder, self.clips))
            status = RunStatus.COMPLETE if done else RunStatus.STOPPED
            log.append(_finished(status, upto))


def _validated(step: int, psnr: float) -> Validated:
    values = {"psnr": psnr, "ssim": psnr / 50}
    return Validated(step=step, clips=step, epoch=0.0, seconds=float(step), values=values)


def _evaluated(psnr: float, folder: Path, clips: int) -> Evaluated:
    table, digest = _table(psnr, folder, clips) if clips else ("", "")
    info = {"name": "psnr", "unit": "dB", "better": "higher", "digits": 2, "definition": ""}
    return Evaluated(
        split="test",
        step=STEPS[-1],
        checkpoint="best",
        clips=max(clips, 1),
        values={"psnr": psnr, "ssim": 0.9},
        infos={"psnr": info} if clips else {},
        protocol={},
        protocol_hash="planted" if clips else "",
        table=table,
        table_sha256=digest,
        gallery=(),
    )


def _table(psnr: float, folder: Path, clips: int) -> tuple[str, str]:
    """Write values per clip with the mean `psnr`; every run finds the same clips hard."""
    rng = random.Random(f"{psnr}")
    ease = [place - (clips - 1) / 2 for place in range(clips)]
    own = [rng.gauss(0.0, 0.05) for _ in ease]
    values = [psnr + a + b - sum(own) / clips for a, b in zip(ease, own, strict=True)]
    names = [f"clip {place}" for place in range(clips)]
    path = folder / "clips-a1.parquet"
    pq.write_table(pa.table({"clip": names, "source": names, "psnr": values}), path)
    return path.name, hashlib.sha256(path.read_bytes()).hexdigest()


def _finished(status: RunStatus, step: int) -> Finished:
    return Finished(status=status, step=step, seconds=1.0, train_seconds=1.0, peak_memory=0)


def finish(search: Search, trial: Trial, runs: Runs) -> None:
    """Carry a trial out to its end, seed by seed."""
    waiting = search.begin(trial)
    while waiting:
        seed = waiting.pop(0)
        for step in STEPS:
            runs.carry_out(trial, seed, upto=step)
            if step < STEPS[-1] and search.observe(trial):
                return
        waiting += search.completed(trial, seed)


def work(search: Search, runs: Runs, most: int = 10_000) -> list[Trial]:
    """One driver, one trial at a time, to the end of the budget or `most` trials."""
    done: list[Trial] = []
    while len(done) < most:
        trial = search.ask()
        if trial is None:
            break
        finish(search, trial, runs)
        done.append(trial)
    return done
