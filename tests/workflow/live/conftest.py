"""A study whose records a test writes step by step, and the page of it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from tempo.core.records import Plan, RunSpec
from tempo.ledger.port import this_process
from tempo.ledger.sql import SqliteLedger
from tempo.records.event_log import EventLog
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Evaluated,
    Finished,
    Trained,
    Validated,
)
from tempo.records.layout import Store
from tempo.workflow.verdicts import record_rule
from tests.watched_plan import watched_plan

SECRET_RESULT = 77.125
"""The test figure of every run, which no page may show before the study is over."""


@dataclass
class Lab:
    """Records, reports and a ledger of one study of two variants."""

    root: Path
    ledger: SqliteLedger
    plan: Plan

    @property
    def store(self) -> Store:
        return Store(self.root / "records")

    def begin(self) -> None:
        """Store the plan with its rule, as a study does that starts."""
        self.store.save_plan(self.plan)
        record_rule(self.store, self.plan, print)

    def train(self, title: str, *steps: int, end: str | None = None) -> Path:
        """Let a run validate at further steps, then end as `complete` or `failed`."""
        run = next(run for run in self.plan.runs if run.title == title)
        spec = RunSpec(run_id=run.run_id, seed=run.seed, config={"runtime": {}})
        folder = self.store.save_run(spec)
        new = not (folder / "events.jsonl").exists()
        with EventLog(folder, 1) as log:
            if new:
                log.append(AttemptStarted(resumed_step=0, total_steps=40))
            for step in steps:
                loss = {"loss": 1 / step, "grad_norm": 1.0}
                log.append(Trained(step=step, clips=step, epoch=step / 10, values=loss))
                values = {"psnr": 20 + step / 10, "ssim": 0.5}
                log.append(
                    Validated(step=step, clips=step, epoch=step / 10, seconds=step, values=values)
                )
                path = f"checkpoints/step-{step:08d}-a0001.pt"
                log.append(CheckpointSaved(step=step, path=path, sha256="", best=True))
            if end == "complete":
                log.append(
                    Evaluated(
                        split="test",
                        step=steps[-1],
                        checkpoint="best",
                        clips=1,
                        values={"psnr": SECRET_RESULT},
                        infos={},
                        protocol={},
                        protocol_hash="p",
                        table="",
                        table_sha256="",
                        gallery=(),
                    )
                )
            if end:
                failed = end == "failed"
                log.append(
                    Finished(
                        status=end,
                        step=steps[-1],
                        seconds=5.0,
                        train_seconds=4.0,
                        peak_memory=1,
                        failure="oom" if failed else None,
                        message="no <b>memory</b> left" if failed else "",
                    )
                )
        return folder

    def hold(self, title: str) -> None:
        """Let this process carry a run out."""
        run = next(run for run in self.plan.runs if run.title == title)
        assert self.ledger.claim(run.run_id, this_process(), 60.0) is not None


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "records").mkdir()
    ledger = SqliteLedger(tmp_path / "records" / "ledger.db")
    yield Lab(tmp_path, ledger, watched_plan())
    ledger.close()


@dataclass(frozen=True)
class Reply:
    code: int
    text: str
    headers: Message


def ask(address: str, method: str = "GET", **headers: str) -> Reply:
    """Send one request, and follow no redirection."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    request = urllib.request.Request(address, method=method, headers=headers)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=60) as reply:
            return Reply(reply.status, reply.read().decode(errors="replace"), reply.headers)
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read().decode(errors="replace"), error.headers)
