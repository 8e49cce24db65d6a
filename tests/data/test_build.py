"""Building caches: in several processes, after a kill, on a full disk, in another format."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from operator import methodcaller

import numpy as np
import pytest
from PIL import Image

from tempo.core.errors import MissingError, RecordError, TempoError
from tempo.data.cache import cache_builder as build
from tempo.data.cache.cache_builder import SplitFolder, folder_of
from tempo.data.cache.shards import FORMAT, INDEX, Shard
from tempo.data.cache.splits import ShardPlan, SplitPlan
from tempo.data.open_dataset import open_split, prepare
from tempo.spec.data import Frames, Procedural

TINY = Procedural(size=(16, 16), motion=(0.0, 2.0), train_clips=8, val_clips=2, test_clips=2)


def test_several_processes_build_what_one_builds(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "WORTH_PROCESSES", 1)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 16, 16, 3), dtype=np.uint8)
    for place, number in np.ndindex(6, 5):
        path = tmp_path / "in" / f"s{place}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[place, number]).save(path)
    options = Frames(root=str(tmp_path / "in"), size=(16, 16), every=1, cut=255.0)
    told = []
    one = prepare(options, tmp_path / "one")["train"]
    two = prepare(options, tmp_path / "two", lambda *each: told.append(each), jobs=2)["train"]
    assert len(one) == 12
    assert one.digest == two.digest
    for left, right in zip(one, two, strict=True):
        assert left.id == right.id
        np.testing.assert_array_equal(left.frames, right.frames)
    assert told[-1][:2] == (30, 30)
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert not list((tmp_path / "two").rglob("*.tmp"))


class Leave:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (3,)


def places(tmp_path, fill):
    shards = tuple(
        ShardPlan(name=f"s{k}", size=(4, 4), clips=2, fill=fill, pictures=1) for k in range(3)
    )
    return [SplitFolder(SplitPlan(name="train", digest="d", shards=shards), tmp_path / "set")]


def test_an_error_in_a_process_is_the_error(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "WORTH_PROCESSES", 1)
    with pytest.raises(ValueError, match=r"a picture here is uint8 \[4, 4, 3\]"):
        build.build(places(tmp_path, methodcaller("picture", np.zeros(3))), jobs=2)
    assert [path.name for path in (tmp_path / "set").iterdir()] == [".lock"]


def test_a_process_that_vanishes_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "WORTH_PROCESSES", 1)
    with pytest.raises(TempoError, match="ended from outside, perhaps for want of memory"):
        build.build(places(tmp_path, Leave()), jobs=2)
    assert [path.name for path in (tmp_path / "set").iterdir()] == [".lock"]


def test_a_disk_too_small_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 5, 1000))
    with pytest.raises(MissingError, match=r"needs 0\.0 GB .* put the cache on another disk"):
        prepare(TINY, tmp_path)
    assert not list(tmp_path.rglob("*.npy"))


def test_the_format_is_in_the_path_and_another_is_never_read(tmp_path):
    split = open_split(TINY, "test", tmp_path)
    folder = split.shards[0].folder
    assert folder.parent == folder_of(tmp_path, "procedural")
    assert folder.parent.name == f"procedural-v{FORMAT}"
    index = json.loads((folder / INDEX).read_text())
    (folder / INDEX).write_text(json.dumps(index | {"format": FORMAT - 1}))
    with pytest.raises(RecordError, match=f"format {FORMAT - 1}, not {FORMAT}"):
        Shard(folder)


SCRIPT = """
import signal
import sys
from pathlib import Path
from tempo.data.cache import cache_builder as build
from tempo.data.datasets import procedural
from tempo.data.open_dataset import prepare
from tempo.spec.data import Procedural

if __name__ == "__main__":
    # As in a terminal: a shell's background jobs, such as these tests may be, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    procedural.CLIPS_PER_SHARD = 4
    build.WORTH_PROCESSES = 1
    prepare(Procedural(size=(96, 96), train_clips=400), Path(sys.argv[1]), jobs=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_build_leaves_no_process_and_goes_on(tmp_path, how):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path / "cache")]
    told = (tmp_path / "stderr").open("w+")
    process = subprocess.Popen(command, stderr=told, start_new_session=True)
    folder = folder_of(tmp_path / "cache", "procedural")
    try:
        _until(lambda: process.poll() is not None or len(list(folder.glob("train-*"))) >= 2, 150)
        assert process.poll() is None, (tmp_path / "stderr").read_text()
        process.send_signal(how)
        process.wait(timeout=30)
        _until(lambda: not _alive(process.pid))
    finally:
        process.kill()
        told.close()
    whole = {path.name: path.stat().st_mtime_ns for path in folder.glob("train-*")}
    assert 2 <= len(whole) < 100
    assert all(Shard(folder / name).pixels.shape[0] == 12 for name in whole)
    if how == signal.SIGINT:
        assert not list(folder.glob(".*.tmp"))


def _alive(session):
    """Processes of a session that still run."""
    found = subprocess.run(
        ["ps", "-o", "stat=", "-s", str(session)], capture_output=True, text=True
    )
    return any(line and line[0] != "Z" for line in found.stdout.split())


def _until(ready, seconds=60):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)
