"""One study under every launcher of this machine; what the command says of the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tempo.core.jobs import RESUMABLE
from tempo.core.records import RunStatus
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run
from tests.gpu_time import spend_gpu_hours

from .conftest import Folder

SHORT = ("--set", "recipe.budget.steps=4", "--set", "seeds=1", "--set", "design=[]",
         "--set", "factors={}", "--set", "variants={only: {}}", "--set", "baseline=only",
         "--set", "evaluation.val_every=4",
         "--set", "references=[]", "--mlflow", "off")  # fmt: skip


def only(folder: Folder, records: str = "records") -> RunRecord:
    store = Store(folder.path / records)
    run = next(run for run in store.load_plan("tiny").distinct_runs if run.seed is not None)
    return read_run(store.run_dir(run.run_id))


def curve(record: RunRecord) -> list[tuple[int, float]]:
    return [(event.step, event.values["loss"]) for event in record.train]


@pytest.mark.slow
def test_a_study_in_this_process_is_that_of_a_worker(folder: Folder) -> None:
    done = folder.run("run_experiment.py", "tiny.yaml", *SHORT, "--launcher", "inline")
    assert done.returncode == 0, done.stdout + done.stderr
    record = only(folder)
    assert record.status is RunStatus.COMPLETE
    assert len({each.environment["pid"] for each in record.attempts}) == 1
    again = folder.run(
        "run_experiment.py", "tiny.yaml", *SHORT, "--records", "other", "--reports", "pages"
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert curve(only(folder, "other")) == curve(record)


def test_an_error_in_this_process_is_recorded_and_raised_when_asked(folder: Folder) -> None:
    broken = ("--set", "evaluation.gallery=0", "--set", "recipe.guard.policy=fail")
    poison = {"PYTHONPATH": f"{folder.path}:{folder.environment()['PYTHONPATH']}"}
    (folder.path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'run_experiment.py' in ' '.join(sys.orig_argv):\n"
        "    import tempo.train.run.training_loop as loop\n"
        "    def broken(self, *a, **k): raise RuntimeError('planted')\n"
        "    loop.Training.run = broken\n"
    )
    argv = folder.argv("run_experiment.py", "tiny.yaml", *SHORT, *broken, "--launcher", "inline")
    done = subprocess.run(
        [*argv, "--fail-fast"],
        cwd=folder.path,
        env={**folder.environment(), **poison},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("RuntimeError: planted")
    assert "in broken" in done.stderr
    finish = only(folder).finish
    assert finish is not None and finish.status == "failed"


@pytest.mark.slow
def test_a_study_through_a_fresh_torchrun_for_each_run(folder: Folder) -> None:
    done = folder.run("run_experiment.py", "tiny.yaml", *SHORT, "--launcher", "torchrun",
                      "--ddp", "2")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    record = only(folder)
    assert record.status is RunStatus.COMPLETE
    assert [each.environment["world_size"] for each in record.attempts] == [2]


def test_without_slurm_the_command_says_so(folder: Folder) -> None:
    done = subprocess.run(
        folder.argv("run_experiment.py", "tiny.yaml", *SHORT, "--launcher", "slurm"),
        cwd=folder.path,
        env={**folder.environment(), "PATH": str(folder.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "--launcher slurm needs Slurm's sbatch" in done.stderr
    assert not list(Path(folder.records).glob("slurm/*/script.sh"))


def test_a_study_beyond_its_gpu_hours_needs_a_price_first(folder: Folder) -> None:
    options = ("--set", "budget.gpu_hours=1", "--set", "runtime.device=cuda")
    done = folder.run("run_experiment.py", "tiny.yaml", *SHORT, *options, "--launcher", "slurm")
    assert done.returncode == 2
    assert "budget.gpu_hours needs a price for only" in done.stderr
    assert "tempo plan tiny.yaml --price" in done.stderr


@pytest.mark.slow
def test_a_job_heeds_what_its_whole_study_has_spent(folder: Folder) -> None:
    options = (*SHORT, "--set", "seeds=2", "--set", "budget.gpu_hours=1")
    done = folder.run("run_experiment.py", "tiny.yaml", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(folder.records)
    first, second = [store.run_dir(run.run_id) for run in store.load_plan("tiny").distinct_runs]
    # As if the first had taken two hours of a GPU, and the second were still to be done.
    spend_gpu_hours(first, 2)
    (second / "events.jsonl").unlink()
    for processes in ("1", "2"):
        argv = [sys.executable, "-m", "tempo.worker", "run", str(second), "--ddp", processes]
        left = subprocess.run(
            [*argv, "--within", "tiny", "default"],
            cwd=folder.path,
            env=folder.environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert left.returncode == RESUMABLE, left.stderr
        assert "budget.gpu_hours is 1, and 2 GPU-hours were spent; nothing was" in left.stderr
        assert not (second / "events.jsonl").exists()
