"""Files of a run are removed with a note, which tells later what is missed and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.errors import RecordError
from tempo.records.disk.removals import NAME, read_removals, removal_of, remove


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for name in ("checkpoints/1.pt", "checkpoints/2.pt", "gallery/a.png", "gallery/deep/b.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_files_and_folders_go_and_are_noted(run: Path) -> None:
    assert read_removals(run) == ()
    remove(run, [run / "checkpoints/1.pt", run / "gallery"], "checkpoints: best")
    remove(run, [run / "checkpoints/2.pt"], "tempo clean")
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", NAME]
    first, second = read_removals(run)
    assert first.paths == ("checkpoints/1.pt", "gallery") and second.paths == ("checkpoints/2.pt",)
    assert (first.policy, second.policy) == ("checkpoints: best", "tempo clean")
    assert first.time <= second.time


def test_a_missing_file_is_told_by_its_removal(run: Path) -> None:
    remove(run, [run / "checkpoints/1.pt", run / "gallery"], "p")
    removals = read_removals(run)
    for gone in ("checkpoints/1.pt", "gallery", "gallery/deep/b.png"):
        assert removal_of(run, run / gone, removals) is removals[0]
    # Never removed, still there, written again, or of no run.
    assert removal_of(run, run / "clips.parquet", removals) is None
    assert removal_of(run, run / "gallery-of-another", removals) is None
    assert removal_of(run, run / "checkpoints/2.pt", removals) is None
    assert removal_of(run, run.parent / "gallery", removals) is None
    (run / "checkpoints/1.pt").write_text("again")
    assert removal_of(run, run / "checkpoints/1.pt", removals) is None


def test_a_link_goes_and_what_it_points_at_stays(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "file").write_text("kept")
    (run / "link").symlink_to(target)
    remove(run, [run / "link"], "p")
    assert not (run / "link").exists() and (target / "file").is_file()


def test_what_was_noted_before_a_kill_is_noted_once(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tempo.records.disk.removals.shutil.rmtree", _killed)
        with pytest.raises(KeyboardInterrupt):
            remove(run, [run / "gallery"], "p")
    assert (run / "gallery").is_dir() and len(read_removals(run)) == 1
    remove(run, [run / "checkpoints/1.pt", run / "gallery"], "p")
    (note,) = read_removals(run)
    assert note.paths == ("checkpoints/1.pt", "gallery") and not (run / "gallery").exists()


def _killed(path: Path) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "content",
    [
        "[",
        "{}",
        '{"removals": 3}',
        '{"removals": [{"paths": "all"}]}',
        '{"format": 3, "removals": [4]}',
    ],
)
def test_a_damaged_note_is_said_and_written_anew(run: Path, content: str) -> None:
    (run / NAME).write_text(content)
    with pytest.raises(RecordError, match=NAME):
        read_removals(run)
    remove(run, [run / "gallery"], "p")
    assert len(read_removals(run)) == 1
