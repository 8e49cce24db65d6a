"""Hashes of files: of what is there now, read once, and never waiting."""

import os
from hashlib import sha256
from itertools import pairwise

import pytest

from tempo.data import fingerprints
from tempo.data.fingerprints import PIECE, Fingerprints, looked_into


def write(path, content):
    path.write_bytes(content)
    return path


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    file = write(tmp_path / "x", b"one")
    before = Fingerprints(tmp_path / "cache").of([file])
    assert before == [sha256(b"one").hexdigest()]

    def fail(path):
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "_whole", fail)
        assert Fingerprints(tmp_path / "cache").of([file]) == before
    write(file, b"other")
    assert Fingerprints(tmp_path / "cache").of([file]) != before


def test_a_file_of_equal_size_and_other_time_is_read_again(tmp_path):
    file = write(tmp_path / "x", b"one")
    prints = Fingerprints(tmp_path / "cache")
    before = prints.of([file])
    write(file, b"two")
    os.utime(file, ns=(1, 1))
    assert prints.of([file]) != before


def test_without_a_cache_nothing_is_kept(tmp_path):
    file = write(tmp_path / "x", b"one")
    prints = Fingerprints(None)
    before = prints.of([file])
    state = file.stat()
    write(file, b"two")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert prints.of([file]) != before
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("place", [0, 3 * PIECE - 1, 4 * PIECE, 8 * PIECE - 1])
def test_pieces_are_the_beginning_the_middle_and_the_end(tmp_path, place):
    content = bytearray(8 * PIECE)
    file = write(tmp_path / "x", bytes(content))
    before = Fingerprints(None).pieces_of([file])
    content[place] = 1
    write(file, bytes(content))
    assert (Fingerprints(None).pieces_of([file]) == before) == (place == 3 * PIECE - 1)


def test_what_cannot_be_read_says_why_and_is_asked_again(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    prints = Fingerprints(tmp_path / "cache")
    assert prints.contents_of([tmp_path / "none", tmp_path / "pipe"]) == [
        "unreadable: no such file",
        "unreadable: no such file",
    ]
    file = write(tmp_path / "none", b"one")
    assert prints.of([file]) == [sha256(b"one").hexdigest()]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_a_damaged_cache_is_made_anew(tmp_path, content):
    write(tmp_path / "fingerprints.json", content)
    file = write(tmp_path / "x", b"one")
    assert Fingerprints(tmp_path).of([file]) == [sha256(b"one").hexdigest()]
    assert "x|3|" in (tmp_path / "fingerprints.json").read_text()


def test_sequences_that_are_looked_into_are_spread_evenly():
    names = [f"{k:05d}" for k in range(51_313)]
    chosen = looked_into(names, every=False)
    places = [int(name) for name in chosen]
    gaps = {later - sooner for sooner, later in pairwise(places)}
    assert len(set(chosen)) == fingerprints.CHECKED
    assert gaps == {100, 101}
    assert looked_into(names, every=True) == names
    assert looked_into(names[:7], every=False) == names[:7]
