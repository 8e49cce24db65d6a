"""One run on several processes, started as users start it."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tempo.core.jobs import BUSY, RESUMABLE
from tempo.core.records import RunStatus
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.ledger.open import open_ledger
from tempo.ledger.port import this_process
from tempo.records.event_log import read_events
from tempo.records.layout import root_of
from tempo.records.run_record import read_run
from tempo.train.evaluation.clip_evaluation import share_of
from tempo.train.hardware.process_group import Group

from .conftest import Make, final_state, start
from .test_resume import differences

LONG: dict[str, Any] = {
    "recipe": {"budget": {"steps": 20}, "precision": "fp64"},
    "evaluation": {"val_every": 10},
}


def spread(folder: Path, cache: Path) -> subprocess.Popen[bytes]:
    return start(folder, cache, "--ddp", "2")


def finish(process: subprocess.Popen[bytes]) -> int:
    _, error = process.communicate(timeout=150)
    if process.returncode not in {0, RESUMABLE}:
        print(error.decode())
    return process.returncode


def test_two_processes_equal_one_at_the_same_global_batch(
    make: Make, undisturbed: Make, cache: Path
) -> None:
    alone, folder = undisturbed(**LONG), make(**LONG)
    assert finish(spread(folder, cache)) == 0
    one, two = (final_state(each)["trainer"]["model"] for each in (alone, folder))
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=0, atol=1e-10)
    mine, theirs = read_run(alone), read_run(folder)
    assert theirs.attempts[0].environment["world_size"] == 2
    assert mine.cpu_seconds and theirs.cpu_seconds
    for a, b in zip(mine.train, theirs.train, strict=True):
        assert b.values["loss"] == pytest.approx(a.values["loss"], abs=1e-12)
        assert b.values["grad_norm"] == pytest.approx(a.values["grad_norm"], abs=1e-10)
    assert mine.test is not None and theirs.test is not None
    assert theirs.test.clips == mine.test.clips == 5
    assert [g["clip"] for g in theirs.test.gallery] == [g["clip"] for g in mine.test.gallery]
    assert theirs.test.values == pytest.approx(mine.test.values, abs=1e-4)
    assert [e.path for e in theirs.images] != [] and {e.path for e in theirs.images} == {
        e.path for e in mine.images
    }


@pytest.mark.slow
def test_first_gradients_agree_in_fp32(make: Make, undisturbed: Make, cache: Path) -> None:
    short = {"recipe": {"budget": {"steps": 1}, "grad_clip": None}}
    alone, folder = undisturbed(**short), make(**short)
    assert finish(spread(folder, cache)) == 0
    one, two = (final_state(each)["trainer"]["optimiser"]["state"] for each in (alone, folder))
    for key, moments in one.items():
        torch.testing.assert_close(two[key]["exp_avg"], moments["exp_avg"], rtol=1e-5, atol=1e-7)


def rank_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("RANK")
    except psutil.Error:
        return None


def reached(folder: Path, step: int) -> bool:
    return any(getattr(each.event, "step", 0) >= step for each in read_events(folder))


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_killed_rank_ends_the_attempt_and_the_next_one_recovers(
    make: Make, cache: Path, rank: str
) -> None:
    whole, killed = make("whole", **LONG), make("killed", **LONG)
    assert finish(spread(whole, cache)) == 0
    process = spread(killed, cache)
    while not reached(killed, 8):
        assert process.poll() is None
        time.sleep(0.01)
    victims = [p for p in psutil.Process(process.pid).children(recursive=True) if rank_of(p)]
    next(each for each in victims if rank_of(each) == rank).kill()
    died = time.monotonic()
    while len({each.attempt for each in read_events(killed)}) == 1:
        assert time.monotonic() - died < 30
        time.sleep(0.05)
    assert finish(process) == 0
    record = read_run(killed)
    assert record.attempts[1].resumed_step >= 4
    if rank == "1":
        assert record.attempts[0].finish is not None
        assert record.attempts[0].finish.failure == "node"
    assert differences(whole, killed) == []


@pytest.mark.slow
def test_a_signal_stops_all_ranks_at_one_step(make: Make, cache: Path) -> None:
    over = {**LONG, "recipe": {**LONG["recipe"], "budget": {"steps": 24}}}
    whole, parts = make("whole", **over), make("parts", **over)
    assert finish(spread(whole, cache)) == 0
    process = spread(parts, cache)
    while not reached(parts, 6):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == RESUMABLE
    assert read_run(parts).status is RunStatus.STOPPED
    assert finish(spread(parts, cache)) == 0
    assert differences(whole, parts) == []


@pytest.mark.slow
def test_a_run_that_was_asked_to_stop_is_not_begun_on_several_processes_either(
    make: Make, cache: Path
) -> None:
    folder = make("asked", **LONG)
    ledger = open_ledger(None, root_of(folder))
    ledger.ask_to_stop([folder.name])
    assert finish(spread(folder, cache)) == RESUMABLE, "75 would put its job back for ever"
    assert not (folder / "events.jsonl").exists()
    ledger.ask_to_stop([folder.name], stop=False)
    token = ledger.claim(folder.name, this_process(), 60)
    assert token is not None
    assert finish(spread(folder, cache)) == BUSY
    ledger.release(folder.name, token)


def test_every_clip_is_judged_once_whatever_the_number_of_processes() -> None:
    for world in (1, 2, 3, 5, 8):
        shares = [share_of(range(7), Group(rank, world)) for rank in range(world)]
        assert sorted(index for share in shares for index in share) == list(range(7))


def test_the_exact_launch_is_shown(make: Make, cache: Path) -> None:
    folder = make()
    words = ["-m", "tempo.worker", "run", str(folder), "--cache", str(cache), "--ddp", "8"]
    words += ["--nodes", "2", "--rendezvous", "head:29500", "--dry-run"]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=True, timeout=60
    )
    shown = shlex.split(done.stdout)
    processes = Processes(per_node=8, nodes=2, rendezvous="head:29500")
    target = ["-m", "tempo.worker", "run", str(folder), "--cache", str(cache), "--with-parent"]
    assert shown == launch_command(processes, target)
    assert {"--nnodes=2", "--nproc-per-node=8", "--max-restarts=0"} <= set(shown)
    assert "--rdzv-endpoint=head:29500" in shown
    assert not (folder / "events.jsonl").exists()


def test_one_machine_stays_on_its_loopback_device() -> None:
    assert launch_environment(Processes(per_node=2), 3)["OMP_NUM_THREADS"] == "3"
    assert launch_environment(Processes(per_node=2), 1)["GLOO_SOCKET_IFNAME"] == "lo"
    both = launch_environment(Processes(per_node=2, nodes=2, rendezvous="a:1"), 1)
    assert "GLOO_SOCKET_IFNAME" not in both


@pytest.mark.slow
def test_an_indivisible_batch_is_refused(make: Make, cache: Path) -> None:
    folder = make(recipe={"batch": 3})
    assert finish(spread(folder, cache)) == 1
    finish_event = read_run(folder).finish
    assert finish_event is not None and "multiple of" in finish_event.message
