"""A run's own test evaluation, killed or stopped in the middle, continues where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tempo.core.jobs import RESUMABLE
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.records.files import of_attempt
from tempo.records.run_record import read_run
from tempo.train.evaluation import evaluator, run_evaluation
from tempo.train.evaluation.evaluator import ResumeLog
from tempo.train.run import run_folder as worker

from .conftest import Make, start
from .test_resume import differences

MANY: dict[str, Any] = {
    "data": {"test_clips": 40},
    "recipe": {"budget": {"steps": 2}},
    "evaluation": {"gallery": 6, "metrics": ["psnr", "ssim", "flicker", "ie"]},
}
"""Three batches: 16, 16 and 8 clips."""

DYING = """
import os, signal, sys
from pathlib import Path
from tempo.train.evaluation.evaluator import ResumeLog
from tempo.train.run.run_folder import run

folder, cache, clips, rank = sys.argv[1:]
add = ResumeLog.add

def killed(self, *args):
    add(self, *args)
    if len(self.results.rows) == int(clips) and os.environ.get("RANK", "0") == rank:
        os.kill(os.getpid(), signal.SIGKILL)

ResumeLog.add = killed
sys.exit(run(Path(folder), Path(cache)))
"""


@pytest.fixture
def dying(tmp_path: Path) -> Path:
    """A worker that kills itself once it has judged a number of test clips."""
    path = tmp_path / "dying.py"
    path.write_text(DYING)
    return path


def kill_after(clips: int, folder: Path, cache: Path, dying: Path) -> None:
    command = [sys.executable, str(dying), str(folder), str(cache), str(clips), "0"]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The test clips that workers of this process predict from now on."""
    found: list[int] = []
    original = evaluator.judge_clips

    def judge_clips(predict: Any, split: Any, indices: Sequence[int], *rest: Any) -> Any:
        found.extend(indices)
        return original(predict, split, indices, *rest)

    monkeypatch.setattr(evaluator, "judge_clips", judge_clips)
    return found


def logs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{run_evaluation.LOG}-*"))


@pytest.mark.parametrize(("killed", "first"), [(16, 16), (20, 16), (33, 32)])
def test_a_killed_evaluation_continues_with_the_batch_it_died_in(
    make: Make,
    undisturbed: Make,
    cache: Path,
    dying: Path,
    predicted: list[int],
    killed: int,
    first: int,
) -> None:
    whole, folder = undisturbed(**MANY), make(**MANY)
    predicted.clear()
    kill_after(killed, folder, cache, dying)
    assert logs(folder) == ["test-clips-0-a0001.jsonl"]
    assert worker.run(folder, cache) == 0
    assert predicted == list(range(first, 40))
    assert logs(folder) == []
    assert differences(whole, folder) == []
    mine, theirs = read_run(whole).test, read_run(folder).test
    assert mine is not None and theirs is not None
    assert (whole / mine.table).read_bytes() == (folder / theirs.table).read_bytes()
    assert theirs.step == 2 and theirs.values == mine.values


def test_a_twice_killed_evaluation_keeps_what_both_attempts_judged(
    make: Make, undisturbed: Make, cache: Path, dying: Path, predicted: list[int]
) -> None:
    whole, folder = undisturbed(**MANY), make(**MANY)
    for clips in (5, 18):
        kill_after(clips, folder, cache, dying)
    assert logs(folder) == ["test-clips-0-a0001.jsonl", "test-clips-0-a0002.jsonl"]
    predicted.clear()
    assert worker.run(folder, cache) == 0
    assert predicted == list(range(16, 40))
    assert differences(whole, folder) == []
    gallery = read_run(folder).evaluations[0].gallery
    assert {path[-8:-4] for entry in gallery for path in [entry["prediction"]]} > {"0001"}


def test_a_stopped_evaluation_continues(
    make: Make, undisturbed: Make, cache: Path, predicted: list[int], monkeypatch: Any
) -> None:
    whole, folder = undisturbed(**MANY), make(**MANY)
    add = ResumeLog.add

    def stopped(self: ResumeLog, *args: Any) -> None:
        add(self, *args)
        if len(self.results.rows) == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(ResumeLog, "add", stopped)
        assert worker.run(folder, cache) == RESUMABLE
    (path,) = folder.glob("test-clips-*")
    assert len(path.read_text().splitlines()) == 1 + 10
    predicted.clear()
    assert worker.run(folder, cache) == 0
    assert predicted == list(range(40))
    assert differences(whole, folder) == []


def test_other_code_or_a_lost_picture_is_judged_again(
    make: Make, undisturbed: Make, cache: Path, dying: Path, predicted: list[int], monkeypatch: Any
) -> None:
    whole, folder = undisturbed(**MANY), make(**MANY)
    kill_after(35, folder, cache, dying)
    (path,) = folder.glob("test-clips-*")
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    lost = next(each for each in lines if each["gallery"] and each["row"]["index"] >= 16)
    (folder / lost["gallery"]["prediction"]).unlink()
    predicted.clear()
    assert worker.run(folder, cache) == 0
    assert predicted == list(range(lost["row"]["index"] // 16 * 16, 40))
    assert differences(whole, folder) == []
    again = make("again", **MANY)
    kill_after(35, again, cache, dying)
    monkeypatch.setattr(run_evaluation, "code_stamp", lambda: "other")
    predicted.clear()
    assert worker.run(again, cache) == 0
    assert predicted == list(range(40))


def test_what_a_superseded_attempt_writes_changes_no_newer_log(tmp_path: Path) -> None:
    older, newer = (of_attempt(tmp_path / "test-clips-0.jsonl", each) for each in (1, 2))
    first = ResumeLog(older, "key")
    first.add_broken(0, "unreadable")
    second = ResumeLog(newer, "key", [older])
    first.add_broken(1, "unreadable")
    assert second.results.broken == {0: "unreadable"}
    second.add_broken(1, "gone")
    assert ResumeLog(newer, "key").results.broken == {0: "unreadable", 1: "gone"}
    assert ResumeLog(newer, "other key", [older]).results.broken == {}


@pytest.mark.slow
def test_each_process_of_a_run_continues_with_its_own_clips(
    make: Make, cache: Path, dying: Path
) -> None:
    whole, folder = make("whole", **MANY), make("killed", **MANY)
    assert start(whole, cache, "--ddp", "2").wait(150) == 0
    target = [str(dying), str(folder), str(cache), "17", "1"]
    environment = {**os.environ, **launch_environment(Processes(per_node=2), 1)}
    command = launch_command(Processes(per_node=2), target)
    assert subprocess.run(command, env=environment, check=False, timeout=150).returncode == 1
    assert logs(folder) == ["test-clips-0-a0001.jsonl", "test-clips-1-a0001.jsonl"]
    assert start(folder, cache, "--ddp", "2").wait(150) == 0
    assert logs(folder) == []
    assert differences(whole, folder) == []
    record = read_run(folder)
    assert len(record.attempts) == 2
    gallery = record.evaluations[0].gallery
    assert "0001" in {entry["prediction"][-8:-4] for entry in gallery}
