"""Several drivers on one PostgreSQL, killed in the middle of their trials."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState

from tempo.ledger.open import VARIABLE
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.tuning.trials import by_ticket
from tests.track.servers import postgres

from .simulate import load, open_search

ROOT = Path(__file__).parents[2]
TRIALS, DRIVERS = 32, 4

DRIVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.tuning.simulate import Runs, finish, load, open_search
folder = Path(sys.argv[2])
with open_search(load(folder, sys.argv[3:]), folder / "records") as search:
    runs = Runs(search.store, pause=0.5)
    while not search.finished():
        trial = search.ask()
        if trial is None:
            time.sleep(0.1)
            continue
        print("began", trial.number, flush=True)
        finish(search, trial, runs)
"""


def settings(storage: str) -> list[str]:
    return [f"search.storage={storage}", "search.heartbeat=2", f"search.budget.trials={TRIALS}"]


def start(folder: Path, storage: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", DRIVER, str(ROOT), str(folder), *settings(storage)]
    return subprocess.Popen(
        argv,
        cwd=folder,
        env={**os.environ, VARIABLE: storage},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_no_trial_is_lost_or_doubled_when_drivers_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(5)
    with postgres() as storage:
        drivers = [start(tmp_path, storage) for _ in range(DRIVERS)]
        for _ in range(2):
            victim = drivers[0]
            assert victim.stdout is not None
            line = victim.stdout.readline()
            assert line.startswith("began"), line + victim.communicate()[0]
            time.sleep(rng.uniform(0.05, 0.3))
            victim.send_signal(signal.SIGKILL)
            victim.wait(timeout=30)
            drivers[0] = start(tmp_path, storage)
        for driver in drivers:
            output, _ = driver.communicate(timeout=600)
            assert driver.returncode == 0, output
        monkeypatch.setenv(VARIABLE, storage)
        loaded = load(tmp_path, settings(storage))
        with open_search(loaded, tmp_path / "records") as search:
            trials = search.trials()
            assert Counter(trial.state for trial in trials) == {TrialState.COMPLETE: TRIALS}
            assert sorted(by_ticket(trials)) == list(range(TRIALS))
            assert search.finished() and search.ask() is None
            _check_runs(search.store, [t.user_attrs["result"]["runs"][0]["run_id"] for t in trials])


def _check_runs(store: Store, run_ids: list[str]) -> None:
    """Every trial has a run of its own, carried out to its end, each step once."""
    for run_id in run_ids:
        record = read_run(store.run_dir(run_id))
        assert [event.step for event in record.validations] == [30, 60, 90]
    assert len(set(run_ids)) == len(run_ids)
