"""Two invocations of one study, and somebody who kills and freezes their processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tempo.ledger.open import open_ledger
from tempo.records.event_log import Tail, is_complete
from tempo.records.layout import Store
from tempo.records.run_record import read_run

ROOT = Path(__file__).parents[2]
MARK = "TEMPO_CHAOS"
TTL = 2.0


@dataclass
class Study:
    """A folder with a spec, and the processes that were started for it, however far removed."""

    folder: Path
    spec: str
    options: Sequence[str] = ()
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def records(self) -> Path:
        return self.folder / "records"

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(ROOT / "run_experiment.py"), self.spec, *self.options]
        environment = {
            **os.environ,
            MARK: self.mark,
            "TEMPO_LEASE_SECONDS": str(TTL),
            "PYTHONPATH": str(ROOT),
        }
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [*command, "--mlflow", "off"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark:
                    yield process

    def runs(self) -> list[str]:
        plan = Store(self.records).load_plan(Path(self.spec).stem)
        return [run.run_id for run in plan.distinct_runs]

    def holders(self) -> list[int]:
        """The processes that carry out a run now."""
        ledger = open_ledger(None, self.records)
        holds = ledger.holds(self.runs()).values()
        ledger.close()
        return [hold.owner.pid for hold in holds if hold.held]

    def progress(self) -> int:
        """The steps that all runs together are at."""
        tails = [Tail(self.records / "runs" / run) for run in self.runs()]
        for tail in tails:
            tail.catch_up()
        return sum(tail.progress.step for tail in tails)

    def end(self) -> None:
        """End whatever is left of it."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def complete(self) -> bool:
        return all(is_complete(self.records / "runs" / run) for run in self.runs())

    def spans(self, run: str) -> list[tuple[int, int | None]]:
        ledger = open_ledger(None, self.records)
        found = [(span.first, span.last) for span in ledger.spans(run)]
        ledger.close()
        return found

    def tables(self) -> dict[str, tuple[dict[str, float], bytes]]:
        """The final metrics of every run, and the bytes of its table."""
        found = {}
        for run in self.runs():
            test = read_run(self.records / "runs" / run).test
            assert test is not None
            table = (self.records / "runs" / run / test.table).read_bytes()
            found[run] = (dict(test.values), table)
        return found


@dataclass
class Chaos:
    """Kills or freezes a process of a study whenever its runs got `every` steps further, whatever
    the speed of the machine; the frozen wake up later, some after others took over."""

    study: Study
    dice: random.Random
    every: int
    blows: Counter[str] = field(default_factory=Counter)
    due: int = 0
    frozen: dict[int, float] = field(default_factory=dict)

    def strike(self, invocations: Sequence[subprocess.Popen[bytes]]) -> None:
        """One blow, if it is time for one."""
        if self.study.progress() < self.due:
            return
        workers = [pid for pid in self.study.holders() if pid not in self.frozen]
        schedulers = [one.pid for one in invocations if one.pid not in self.frozen]
        kind = "worker" if workers and self.dice.random() < 0.75 else "scheduler"
        targets = workers if kind == "worker" else schedulers
        if not targets:
            return
        self.due = self.study.progress() + self.every
        pid, freeze = self.dice.choice(targets), self.dice.random() < 0.5
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP if freeze else signal.SIGKILL)
            self.blows[f"{'froze' if freeze else 'killed'} {kind}"] += 1
            if freeze:
                self.frozen[pid] = time.monotonic() + self.dice.uniform(0.5, 4 * TTL)

    def wake(self, *, everyone: bool = False) -> None:
        for pid, until in list(self.frozen.items()):
            if everyone or time.monotonic() >= until:
                del self.frozen[pid]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def carry_out(study: Study, chaos: Chaos, *, seconds: float) -> None:
    """Two invocations at once, each started again until the study is complete."""
    give_up = time.monotonic() + seconds
    study_begun = study.records / "studies"
    invocations = [study.start(), study.start()]
    try:
        while any(one.poll() is None for one in invocations) or not study.complete():
            assert time.monotonic() < give_up, f"not done in time: {chaos.blows}"
            time.sleep(chaos.dice.uniform(0.1, 0.5))
            if study_begun.is_dir() and any(study_begun.glob("*/current")):
                chaos.wake()
                chaos.strike(invocations)
                again = not study.complete()
                invocations = [
                    study.start() if again and one.poll() is not None else one
                    for one in invocations
                ]
        # One that was struck when all was done already has only its report to repeat; one whose
        # worker of a run was struck three times gave that run up, and may leave just before the
        # other invocation completes it.
        ended = [study.start() if one.wait() != 0 else one for one in invocations]
        codes = [one.wait() for one in ended]
        assert codes == [0, 0], (study.folder / "said").read_text(errors="replace")[-8000:]
    except BaseException:
        study.end()
        raise
    finally:
        chaos.wake(everyone=True)
