"""A study where the fork server, process groups and SIGUSR1 are missing, as they are on Windows.

What is missing is taken away from Python in every process. That shows that nothing here needs it,
not that all else is as on that system.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tempo.records.run_record import read_run

from .conftest import ROOT, Folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WITHOUT = """
import multiprocessing, os, signal
for name in ("killpg", "setsid", "getpgid"):
    delattr(os, name)
for name in ("SIGUSR1", "SIGUSR2", "pthread_kill"):
    delattr(signal, name)
multiprocessing.get_all_start_methods = lambda: ["spawn"]
"""


def results(folder: Folder) -> dict[str, tuple[float, int]]:
    """Test PSNR and number of attempts by run."""
    out = {}
    for path in sorted((folder.records / "runs").iterdir()):
        record = read_run(path)
        assert record.test is not None
        out[path.name] = (record.test.values["psnr"], len(record.attempts))
    return out


@pytest.fixture
def environment(folder: Folder) -> dict[str, str]:
    missing = folder.path / "missing"
    missing.mkdir()
    (missing / "sitecustomize.py").write_text(WITHOUT)
    found = folder.environment()
    return found | {"PYTHONPATH": f"{missing}{os.pathsep}{found['PYTHONPATH']}"}


def test_a_study_is_carried_out_and_goes_on_after_a_stop(
    folder: Folder,
    environment: dict[str, str],
    finished: tuple[Folder, subprocess.CompletedProcess[str]],
) -> None:
    argv = [sys.executable, str(ROOT / "run_experiment.py"), "tiny.yaml", "--slots", "1"]
    argv += ["--set", "seeds=1", "--mlflow", "off"]
    with subprocess.Popen(
        argv, cwd=folder.path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        _wait_for_a_checkpoint(folder.records, process)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=200)
    assert process.returncode == 130, said
    done = subprocess.run(
        argv, cwd=folder.path, env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    mine, undisturbed = results(folder), results(finished[0])
    assert len(mine) >= 3 and max(attempts for _, attempts in mine.values()) == 2
    assert {key: psnr for key, (psnr, _) in mine.items()} == {
        key: undisturbed[key][0] for key in mine
    }


def _wait_for_a_checkpoint(records: Path, process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 300
    while not list((records / "runs").glob("*/checkpoints/*")):
        assert process.poll() is None and time.monotonic() < give_up, "no checkpoint was written"
        time.sleep(0.05)
