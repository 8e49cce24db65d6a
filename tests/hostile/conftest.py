"""The records of a complete study, and commands that run in this very process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tempo.cli.main import main
from tempo.core.errors import TempoError
from tempo.report.formats.table import NotApplicable

from .complete_study import write
from .damages import copy_of

LONGEST = 30
"""Seconds after which a command counts as hanging."""


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec and sound records; to be copied, never changed."""
    folder = tmp_path_factory.mktemp("sound")
    write(folder)
    return folder


@pytest.fixture
def study(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sound records, the current folder."""
    folder = copy_of(sound, tmp_path / "work")
    monkeypatch.chdir(folder)
    return folder


@dataclass(frozen=True)
class Said:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return "".join(f"{self.out} {self.err}".split())

    def names(self, path: Path, title: str) -> bool:
        """Whether the file is named, the folder of its run, or the run by its `title`; lines may be
        broken anywhere."""
        run = path.parts[path.parts.index("runs") + 1] if "runs" in path.parts else path.name
        return any("".join(each.split()) in self.text for each in (path.name, run, title))


Call = Callable[..., Said]


def _hanging(number: int, frame: FrameType | None) -> None:
    raise AssertionError(f"the command hangs: {LONGEST} seconds have passed")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run a command in this process. An exception is a traceback to a user, so it fails the test,
    and so does a command that hangs."""

    def run(*argv: str) -> Said:
        capsys.readouterr()
        signal.setitimer(signal.ITIMER_REAL, LONGEST)
        code = main(argv)
        signal.setitimer(signal.ITIMER_REAL, 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    before = signal.signal(signal.SIGALRM, _hanging)
    yield run
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out of reports what takes time and reads no records: power, saved figures and fonts.

    The one figure that reads pictures is laid out.
    """

    def plates(draws: Any, subject: Any, formats: Any) -> dict[str, Any]:
        draws["strip"](subject)
        return {name: NotApplicable("not drawn in this test") for name in draws}

    monkeypatch.setattr("tempo.report.document.plates", plates)
    monkeypatch.setattr("tempo.report.pages.page.font_faces", lambda *ignored: "")
    monkeypatch.setattr("tempo.comparison.build.detectable_differences", lambda *ignored: ())


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """End `tempo run` with a sentence where it would begin to train."""

    def check(*ignored: Any) -> None:
        raise TempoError("a run would be trained now")

    class NoServer:
        """Starts no worker, and no server that would fork one."""

        def __init__(self, *ignored: Any) -> None: ...

        def warm(self) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr("tempo.workflow.execution.pool_setup.check", check)
    monkeypatch.setattr("tempo.workflow.execution.pool_setup.make_start", NoServer)
