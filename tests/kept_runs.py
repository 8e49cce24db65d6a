"""Studies whose records are written as training writes them, with files of known size."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tempo.core.records import Parent, Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.launch.retention.expired import Found, find_expired
from tempo.ledger.sql import SqliteLedger
from tempo.records.event_log import EventLog
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Evaluated,
    Finished,
    Validated,
)
from tempo.records.layout import Store
from tempo.spec.sections.keep import Keep

KIB = 1024


def run_id(variant: str, seed: int) -> str:
    return hashlib.sha256(f"{variant} {seed}".encode()).hexdigest()[:12]


@dataclass
class Lab:
    """A folder of records with a ledger and reports."""

    root: Path
    ledger: SqliteLedger
    profile: Keep = field(default_factory=Keep)

    @property
    def store(self) -> Store:
        return Store(self.root / "records")

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def plan(
        self,
        study: str = "one",
        *,
        variants: Sequence[str] = ("a", "b"),
        seeds: int = 3,
        keep: Mapping[str, Any] | None = None,
        parents: Sequence[Parent] = (),
    ) -> Plan:
        """Plan a study and store the plan."""
        runs = tuple(
            PlannedRun(run_id=run_id(name, seed), variant=name, seed=seed, parents=tuple(parents))
            for seed in range(seeds)
            for name in variants
        )
        made = Plan(
            study=study,
            question="",
            profile=None,
            source="study.yaml",
            spec={"study": study, "keep": dict(keep or {})},
            spec_hash="0",
            baseline=variants[0],
            variants=tuple(
                PlannedVariant(name=name, role="variant", levels={}, config={"runtime": {}})
                for name in variants
            ),
            runs=runs,
            exclusions=(),
        )
        self.store.save_plan(made)
        return made

    def train(
        self,
        variant: str,
        seed: int,
        *,
        steps: Sequence[int] = (2, 4, 6),
        chosen: str = "best",
        at: int | None = None,
        end: str | None = "complete",
        ago: float = 0.0,
        gallery: bool = True,
    ) -> Path:
        """Record a run that validated and saved at `steps` and ended `ago` seconds ago; its result
        is of the step `at`, by default the first one."""
        spec = RunSpec(run_id=run_id(variant, seed), seed=seed, config={"runtime": {}})
        folder = self.store.save_run(spec)
        (folder / "checkpoints").mkdir(exist_ok=True)
        with EventLog(folder, 1) as log:
            log.append(AttemptStarted(resumed_step=0, total_steps=max(steps)))
            for step in steps:
                values = {"psnr": 20.0}
                log.append(Validated(step=step, clips=1, epoch=0.1, seconds=1.0, values=values))
                path = f"checkpoints/step-{step:08d}-a0001.pt"
                content = f"{variant} {seed} {step}".encode().ljust(KIB)
                (folder / path).write_bytes(content)
                digest = hashlib.sha256(content).hexdigest()
                log.append(CheckpointSaved(step=step, path=path, sha256=digest, best=True))
            if end == "complete":
                pictures = [{"clip": "c", "target": "gallery/t.png", "prediction": "gallery/p.png"}]
                if gallery:
                    (folder / "gallery").mkdir(exist_ok=True)
                    for name in ("t", "p"):
                        (folder / "gallery" / f"{name}.png").write_bytes(b"x" * KIB)
                log.append(
                    Evaluated(
                        split="test",
                        step=steps[0] if at is None else at,
                        checkpoint=chosen,
                        clips=1,
                        values={"psnr": 30.0},
                        infos={},
                        protocol={},
                        protocol_hash="p",
                        table="clips.parquet",
                        table_sha256="",
                        gallery=tuple(pictures) if gallery else (),
                    )
                )
            if end:
                log.append(
                    Finished(
                        status=end,
                        step=max(steps),
                        seconds=1.0,
                        train_seconds=1.0,
                        peak_memory=1,
                        failure="data" if end == "failed" else None,
                    )
                )
        if ago:
            self._move_back(folder, ago)
        return folder

    def _move_back(self, folder: Path, seconds: float) -> None:
        """Let all events of a run have happened earlier."""
        path = folder / "events.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line["time"] -= seconds
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        path.write_text(text)

    def find(self, plan: Plan | None = None, *, later: float = 0.0) -> Found:
        """What the policies let go `later` seconds from now."""
        now = time.time() + later
        return find_expired(self.store, self.ledger, self.reports, self.profile, plan, now=now)

    def going(self, plan: Plan | None = None, *, later: float = 0.0) -> dict[str, set[str]]:
        """By run, as `a 0`, the names of what the policies let go."""
        titles = {run_id(name, seed): f"{name} {seed}" for name in "abcd" for seed in range(9)}
        found: dict[str, set[str]] = {}
        for each in self.find(plan, later=later).expired:
            found.setdefault(titles[each.run_id], set()).add(each.path.name)
        return found
