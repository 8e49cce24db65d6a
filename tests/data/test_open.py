"""Building and opening caches: whole or absent, once, by one process at a time."""

import json
import multiprocessing
import os
from importlib import import_module

import numpy as np
import pytest

from tempo.core.errors import RecordError, UnknownNameError
from tempo.data.cache import shards
from tempo.data.cache.shards import Entry, Shard, write_shard
from tempo.data.open_dataset import DATASET_MODULES, open_split, prepare
from tempo.data.testsets.testset import protocol
from tempo.spec.data import Procedural
from tempo.spec.options import Options

TINY = Procedural(size=(16, 16), motion=(0.0, 2.0), train_clips=6, val_clips=2, test_clips=2)


def entry(name, place):
    return Entry(
        id=name, source="s", inputs=(place, place + 1), times=(0.0, 1.0), targets=(place + 2,),
        target_times=(0.5,),
    )  # fmt: skip


def test_a_shard_gives_back_what_was_written(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 6, 3), dtype=np.uint8)

    def fill(writer):
        for each in pixels:
            writer.picture(each)
        writer.clip(entry("a", 0))
        writer.clip(entry("b", 3))
        writer.count("skipped")

    told = []
    write_shard(tmp_path / "one", (5, 6), fill, lambda: told.append(1))
    shard = Shard(tmp_path / "one")
    np.testing.assert_array_equal(shard.pixels, pixels)
    assert isinstance(shard.pixels, np.memmap)
    assert list(shard.entries) == [entry("a", 0), entry("b", 3)]
    assert shard.entries[-1] == shard.entries[0:2][1] == entry("b", 3)
    assert dict(shard.counts) == {"skipped": 1}
    assert len(told) == 2


def test_an_interrupted_shard_leaves_nothing(tmp_path):
    def fill(writer):
        writer.picture(np.zeros((5, 6, 3), np.uint8))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path / "one", (5, 6), fill)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_another_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"uint8 \[5, 6, 3\], not uint8 \[6, 5, 3\]"):
        write_shard(
            tmp_path / "one", (5, 6), lambda writer: writer.picture(np.zeros((6, 5, 3), np.uint8))
        )


def test_prepare_is_done_once_and_reports_every_clip(tmp_path):
    calls = []
    prepare(TINY, tmp_path, lambda done, total, what: calls.append((done, total)))
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[0] == (0, 10)
    assert calls[-1] == (10, 10)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    prepare(TINY, tmp_path, lambda *_: pytest.fail("built again"))
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}


def test_a_killed_build_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("tempo.data.datasets.procedural.CLIPS_PER_SHARD", 2)
    clips = 0

    def stop(done, total, what):
        nonlocal clips
        clips += 1
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(TINY, tmp_path, stop)
    built = sorted(path.name for path in (tmp_path / "procedural-v2").glob("train-*"))
    assert len(built) == 2
    (tmp_path / "procedural-v2" / ".train-left-by-a-killed-process.tmp").mkdir()
    calls = []
    prepare(TINY, tmp_path, lambda done, total, what: calls.append(total))
    assert calls[-1] == 6
    assert not list((tmp_path / "procedural-v2").glob(".*.tmp"))
    assert len(open_split(TINY, "train", tmp_path)) == 6


def _prepare(folder, barrier, queue):
    from pathlib import Path

    barrier.wait()
    prepare(TINY, Path(folder))
    split = open_split(TINY, "train", Path(folder))
    queue.put((split.digest, int(split[5].target.sum())))


def test_two_processes_at_once_build_one_cache(tmp_path):
    context = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    barrier, queue = context.Barrier(2), context.Queue()
    workers = [
        context.Process(target=_prepare, args=(str(tmp_path), barrier, queue)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    seen = {queue.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    assert len(seen) == 1


def test_reading_does_not_hold_the_pictures_in_memory(tmp_path):
    split = open_split(TINY, "train", tmp_path)
    assert all(isinstance(shard.pixels, np.memmap) for shard in split.shards)
    clip = split[0]
    assert not isinstance(clip.target, np.memmap) or clip.target.base is None


def test_positions_outside_the_split_are_errors(tmp_path):
    split = open_split(TINY, "test", tmp_path)
    assert split[-1].id == split[1].id
    with pytest.raises(IndexError, match="has 2 clips, no clip 2"):
        split[2]
    with pytest.raises(IndexError):
        split[-3]


def test_a_damaged_cache_says_what_to_delete(tmp_path):
    split = open_split(TINY, "test", tmp_path)
    folder = split.shards[0].folder
    (folder / shards.INDEX).write_text("{")
    with pytest.raises(RecordError, match="delete that folder"):
        open_split(TINY, "test", tmp_path)


def test_an_unknown_data_set_names_the_nearest(tmp_path):
    class Other(Options):
        kind: str = "vimeo90"

    with pytest.raises(UnknownNameError, match="did you mean 'vimeo90k'"):
        prepare(Other(), tmp_path)


def test_the_protocol_is_json_and_changes_with_what_it_names():
    one = protocol(TINY, "test", "abc", (16, 16))
    assert json.loads(json.dumps(one)) == one
    assert one != protocol(TINY, "test", "abd", (16, 16))
    assert one != protocol(TINY, "val", "abc", (16, 16))
    assert one["data_range"] == 1.0
    assert one["test_time_augmentation"] == "none"


def test_pages_are_given_back_while_a_split_is_read(tmp_path, monkeypatch):
    split = open_split(TINY, "train", tmp_path)
    clip = split[0].frames.nbytes + split[0].target.nbytes
    monkeypatch.setattr("tempo.data.cache.splits.RESIDENT", 2.5 * clip)
    released = []

    def release(shard):
        released.append(shard)

    monkeypatch.setattr(shards.Shard, "release", release)
    before = [each.target.sum() for each in split]
    assert len(released) == 2 * len(split.shards)
    monkeypatch.undo()
    for shard in split.shards:
        shard.release()
    assert [each.target.sum() for each in split] == before


def test_every_data_set_has_a_module_but_the_combinations_of_others():
    assert DATASET_MODULES.missing == ["mixture", "separate"]
    for kind in DATASET_MODULES:
        module = import_module(
            DATASET_MODULES.of(DATASET_MODULES.options.get(kind).model_construct())
        )
        assert callable(module.check_available)
        assert callable(module.plan_split)
