"""Real video files through the same command, where they are on this machine."""

from __future__ import annotations

import math
import os
import subprocess
from pathlib import Path

import pytest

from tempo.records.layout import Store
from tempo.records.run_record import read_run

from .conftest import ROOT, Folder

CLIPS = Path(os.environ.get("TEMPO_CLIPS", ROOT.parent / "shared" / "data" / "clips"))


@pytest.mark.slow
@pytest.mark.skipif(not CLIPS.is_dir(), reason="TEMPO_CLIPS is not on this machine")
def test_one_command_puts_averaging_flow_v2_and_v3_in_one_table(folder: Folder) -> None:
    spec = str(ROOT / "experiments" / "clips.yaml")
    done = subprocess.run(
        folder.argv("run_experiment.py", spec, "--profile", "smoke"),
        cwd=folder.path,
        env={**folder.environment(), "TEMPO_CLIPS": str(CLIPS.resolve())},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(folder.records)
    tests = {
        run.variant: read_run(store.run_dir(run.run_id)).test
        for run in store.load_plan("clips").runs
    }
    assert set(tests) == {"V2", "V3", "average", "nearest", "flow"}
    assert len({test.protocol_hash for test in tests.values() if test}) == 1
    assert all(test and math.isfinite(test.values["psnr"]) for test in tests.values())
    assert all(f"{name} " in done.stdout for name in tests)
