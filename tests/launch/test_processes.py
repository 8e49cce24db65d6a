"""The fork server beside what every launcher promises."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tempo.core.jobs import JobSpec
from tempo.launch.launchers.worker_processes import ForkServer
from tempo.launch.worker_command import WORKER

from .slurm_cluster import wait_until

ENTRY = """
import gc
from pathlib import Path

def entry(arguments):
    Path(arguments[0]).write_text(f"{gc.isenabled()} {gc.get_freeze_count() > 1000}")
    return 0
"""


def test_a_fork_collects_garbage_and_leaves_what_was_loaded_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "freezing_entry.py").write_text(ENTRY)
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = importlib.import_module("freezing_entry").entry
    said, log = tmp_path / "said", tmp_path / "log"
    job = JobSpec(key="x", argv=[*WORKER, str(said)], log=log)
    child = ForkServer(entry, ["json"])(job, {"PYTHONPATH": str(tmp_path)})
    wait_until(lambda: child.code() is not None, "the job to end")
    assert child.code() == 0, log.read_text()
    assert said.read_text() == "True True"
