"""Files that a killed process was writing are known, kept away from readers, and removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tempo.cli.main import main
from tempo.core.errors import RecordError
from tempo.launch.cleanup import citations, size_of
from tempo.records.drafts import SETTLED, abandoned_drafts, draft_of, is_draft
from tempo.records.files import write_atomic, write_together
from tempo.records.layout import Store

WRITE = """
import os, signal, sys
from pathlib import Path
from tempo.records.files import write_atomic

def half(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

write_atomic(Path(sys.argv[1]), half)
"""


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a process left that was killed while it wrote `report/table.csv`."""
    path = tmp_path / "report" / "table.csv"
    done = subprocess.run([sys.executable, "-c", WRITE, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (found,) = path.parent.iterdir()
    return found


def age(path: Path) -> None:
    old = time.time() - SETTLED - 1
    os.utime(path, (old, old))


def test_a_draft_of_a_killed_process_is_abandoned_once_it_is_old(left: Path) -> None:
    assert is_draft(left) and left.read_bytes() == b"half"
    assert list(abandoned_drafts(left.parent)) == [], "another host may be writing it"
    age(left)
    assert list(abandoned_drafts(left.parents[1])) == [left]


def test_a_draft_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    mine = draft_of(tmp_path / "run.json")
    mine.write_bytes(b"")
    age(mine)
    assert is_draft(mine) and list(abandoned_drafts(tmp_path)) == []
    for name in ("run.json", ".tmp", "a.12.tmp", ".hidden", ".x.y.tmp"):
        assert not is_draft(tmp_path / name)


def test_the_next_report_removes_what_is_left_of_the_last(left: Path) -> None:
    age(left)
    write_together(left.parent, {"table.csv": b"whole", "figures/a.svg": b"<svg/>"})
    names = sorted(path.name for path in left.parent.rglob("*") if path.is_file())
    assert names == ["a.svg", "table.csv"]
    write_atomic(left.parent / "table.csv", lambda file: file.write(b"again"))
    assert (left.parent / "table.csv").read_bytes() == b"again"


def test_clean_lists_and_deletes_drafts(
    left: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    age(left)
    words = ["clean", "--records", str(tmp_path / "records"), "--cache", str(tmp_path / "cache")]
    words += ["--reports", str(tmp_path)]
    assert main(words) == 0
    assert "drafts" in capsys.readouterr().out and left.exists()
    assert main([*words, "--yes", "--only", "drafts"]) == 0
    assert not left.exists()


def test_what_vanishes_while_clean_looks_is_passed_over(
    left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report is being written: its drafts take their places between two looks."""
    seen = Path.is_file

    def vanishing(path: Path) -> bool:
        found = seen(path)
        if is_draft(path):
            path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "is_file", vanishing)
    assert citations(left.parents[1]) == {}
    assert not left.exists() and size_of(left) == 0


def test_a_study_whose_plan_is_being_written_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "studies" / "paper" / "plans").mkdir(parents=True)
    (tmp_path / "studies" / "paper" / "plans" / "smoke.json").write_text("{}")
    with pytest.raises(RecordError, match=r"not been planned to its end.*--profile \(smoke\)"):
        Store(tmp_path).load_plan("paper")
