"""The stream of batches: the same whoever prepares it, from any step on."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tempo.data.batches import TrainBatches
from tempo.data.open_dataset import open_split
from tempo.records.run_record import read_run
from tempo.spec.recipe import Augment
from tempo.train.hardware.process_group import Group
from tempo.train.run import run_folder as worker
from tempo.train.run.batch_stream import Steps, horizon, stream_batches

from .conftest import Make, config
from .test_resume import differences, interrupt_at

CPU = torch.device("cpu")


def steps_of(cache: Path, **recipe: Any) -> Steps:
    made = config({"recipe": recipe})
    split = open_split(made.data, "train", cache)
    plan = horizon(made.recipe, len(split))
    return Steps(split, recipe=made.recipe, horizon=plan, seed=0, group=Group())


@pytest.mark.parametrize("workers", [0, 2])
def test_the_stream_from_any_step_is_the_tail_of_the_whole(cache: Path, workers: int) -> None:
    steps = steps_of(cache)
    streams = torch.get_rng_state()
    for start in (0, 7):
        batches = list(stream_batches(steps, start, workers=workers, device=CPU))
        assert len(batches) == 12 - start
        for step, batch in enumerate(batches, start):
            expected = steps[step]
            assert torch.equal(batch.frames, expected.frames)
            assert torch.equal(batch.target_time, expected.target_time)
            assert torch.equal(batch.indices, expected.indices)
    assert torch.equal(torch.get_rng_state(), streams)


def test_preparing_processes_are_sent_no_pixels(cache: Path) -> None:
    """Where processes start afresh (as below a fork server), the stream travels as a pickle."""
    steps = steps_of(cache)
    first = steps[0]
    sent = pickle.dumps(steps)
    shard, _ = steps._parts[0][2].split.locate(0)
    assert len(sent) < shard.pixels.nbytes / 4
    received = pickle.loads(sent)
    assert torch.equal(received[0].frames, first.frames)
    assert torch.equal(received[11].frames, steps[11].frames)


def test_resuming_with_preparing_processes_ends_in_the_same_bits(
    make: Make, undisturbed: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(runtime={"workers": 2})
    with monkeypatch.context() as patched:
        interrupt_at(patched, 7)
        worker.run(folder, cache)
    assert worker.run(folder, cache) == 0
    assert read_run(folder).attempts[1].resumed_step == 7
    assert differences(undisturbed(), folder) == []


def test_crops_grow_with_the_budget(cache: Path) -> None:
    stages = [{"until": 0.25, "crop": 8}, {"until": 0.5, "crop": 12}]
    steps = steps_of(cache, progressive_crop=stages)
    sides = [steps[step].frames.shape[-1] for step in range(12)]
    assert sides == [8] * 3 + [12] * 3 + [16] * 6
    assert [steps[step].indices.tolist() for step in range(12)] == [
        steps_of(cache)[step].indices.tolist() for step in range(12)
    ]


def test_a_progressive_run_resumes_exactly(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over: dict[str, Any] = {"recipe": {"progressive_crop": [{"until": 0.5, "crop": 8}]}}
    whole, parts = make("whole", **over), make("parts", **over)
    assert worker.run(whole, cache) == 0
    with monkeypatch.context() as patched:
        interrupt_at(patched, 5)
        worker.run(parts, cache)
    assert worker.run(parts, cache) == 0
    assert differences(whole, parts) == []


def test_shuffled_colours_are_one_order_for_a_whole_sample(cache: Path) -> None:
    split = open_split(config().data, "train", cache)
    plain = Augment(flips=False, time_reversal=False)
    shuffled = plain.model_copy(update={"channel_shuffle": True})
    kinds = {"seed": 0, "batch": 12, "crop": 16}
    one = TrainBatches(split, augment=plain, **kinds).batch(0)  # type: ignore[arg-type]
    two = TrainBatches(split, augment=shuffled, **kinds).batch(0)  # type: ignore[arg-type]
    orders = set()
    for before, after, target, moved in zip(
        one.frames, two.frames, one.target, two.target, strict=True
    ):
        order = next(
            order
            for order in torch.cartesian_prod(*[torch.arange(3)] * 3)
            if len(set(order.tolist())) == 3 and torch.equal(before[:, order], after)
        )
        assert torch.equal(target[order], moved)
        orders.add(tuple(order.tolist()))
    assert len(orders) > 1


KILLED = """
import multiprocessing, sys, time
import torch
from torch.utils.data import Dataset
from tempo.train.run.batch_stream import stream_batches

class Numbers(Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return index

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    stream = stream_batches(Numbers(), 0, workers=2, device=torch.device("cpu"))
    print(next(stream), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_processes_that_prepare_batches_end_with_a_run_that_is_killed(
    method: str, tmp_path: Path
) -> None:
    (tmp_path / "run.py").write_text(KILLED)
    command = [sys.executable, str(tmp_path / "run.py"), method]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None and run.stdout.readline() == "0\n"
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) >= 2
        run.kill()
    left = psutil.wait_procs(family, timeout=30)[1]
    for each in left:
        each.kill()
    assert left == []
