"""Commands under hostile environments: other encodings, little memory, a folder without rights."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Call

ENCODINGS = {
    "the C locale": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
}


@pytest.mark.parametrize("kind", ENCODINGS)
@pytest.mark.usefixtures("study")
def test_results_are_printed_under_any_encoding(kind: str) -> None:
    command = [sys.executable, "-m", "tempo.cli.main", "compare", "hostile", "--records", "records"]
    done = subprocess.run(
        command, env=os.environ | ENCODINGS[kind], capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    said = done.stdout.decode("latin-1")
    assert "D PSNR (dB)" in said and "PSNR ^" in said
    assert "?" not in said.replace("?\n", "\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error: memory ran out. What was finished is kept"),
        (
            OSError(errno.ENOSPC, "No space left on device", "reports/index.html"),
            "error: No space left on device (reports/index.html). What was finished is kept",
        ),
        (OSError(errno.EROFS, "Read-only file system"), "error: Read-only file system. What was"),
    ],
)
def test_what_the_machine_lacks_is_said_in_a_sentence(
    error: Exception, said: str, study: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*ignored: object) -> None:
        raise error

    monkeypatch.setattr("tempo.report.document.write_report", fail)
    done = call("compare", "hostile", "--records", str(study / "records"))
    assert done.code == 2
    assert done.err.startswith(said)


def test_an_error_of_our_own_keeps_its_traceback(
    study: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*ignored: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "forgotten")

    monkeypatch.setattr("tempo.report.document.write_report", fail)
    with pytest.raises(FileNotFoundError):
        call("compare", "hostile", "--records", str(study / "records"))
