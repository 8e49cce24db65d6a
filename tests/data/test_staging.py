"""Copies of the data cache on a node's own disk."""

from __future__ import annotations

import multiprocessing
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from tempo.data.cache import staging
from tempo.data.cache.staging import stage
from tempo.data.open_dataset import open_split, prepare, shard_folders
from tempo.spec.data import Procedural

OPTIONS = Procedural(size=(24, 24), motion=(1, 2), train_clips=3, val_clips=2, test_clips=2)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    prepare(OPTIONS, folder)
    return folder


def pictures(cache: Path) -> list[np.ndarray]:
    return [np.load(folder / "frames.npy") for folder in shard_folders(OPTIONS, cache)]


def test_the_copy_is_the_same_data(cache: Path, tmp_path: Path) -> None:
    said: list[str] = []
    staged = stage(OPTIONS, cache, str(tmp_path / "not yet there"), said.append)
    assert staged != cache
    for copy, original in zip(pictures(staged), pictures(cache), strict=True):
        np.testing.assert_array_equal(copy, original)
    for split in ("train", "val", "test"):
        assert open_split(OPTIONS, split, staged).digest == open_split(OPTIONS, split, cache).digest
    assert "3 of 3 parts copied" in said[0]


def test_what_is_there_is_not_copied_again(cache: Path, tmp_path: Path) -> None:
    said: list[str] = []
    staged = stage(OPTIONS, cache, str(tmp_path), said.append)
    first = [folder.stat().st_ino for folder in shard_folders(OPTIONS, staged)]
    shutil.rmtree(shard_folders(OPTIONS, staged)[0])
    assert stage(OPTIONS, cache, str(tmp_path), said.append) == staged
    assert "1 of 3 parts copied" in said[1]
    assert [folder.stat().st_ino for folder in shard_folders(OPTIONS, staged)][1:] == first[1:]


def test_what_does_not_fit_is_read_from_where_it_is(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda folder: Usage(10, 9, 1))
    said: list[str] = []
    assert stage(OPTIONS, cache, str(tmp_path), said.append) == cache
    assert "GB free and the data needs" in said[0]


def test_a_folder_that_cannot_be_used_is_no_failure(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    assert stage(OPTIONS, cache, str(tmp_path / "file"), said.append) == cache
    assert "cannot be used" in said[0]


def test_a_copy_that_differs_is_not_used(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(source: Path, target: Path) -> None:
        shutil.copytree(source, target, copy_function=lambda a, b: Path(b).write_bytes(b"other"))

    monkeypatch.setattr(staging, "_copy_tree", broken)
    said: list[str] = []
    assert stage(OPTIONS, cache, str(tmp_path), said.append) == cache
    assert "differs" in said[0]
    assert not any(folder.exists() for folder in shard_folders(OPTIONS, tmp_path))


def _stage(cache: Path, scratch: Path) -> None:
    stage(OPTIONS, cache, str(scratch), (scratch / "said").open("a").write)


def test_processes_of_a_node_make_one_copy(cache: Path, tmp_path: Path) -> None:
    start = multiprocessing.get_context("fork").Process
    workers = [start(target=_stage, args=(cache, tmp_path)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    said = (tmp_path / "said").read_text()
    assert said.count("(3 of 3 parts copied)") == 1
    assert said.count("(0 of 3 parts copied)") == 3
