"""Work that two processes share ends, whatever becomes of the second one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tempo.report.figures.second_process import forks, made_by_two

pytestmark = pytest.mark.skipif(not forks(), reason="this system has one core or cannot fork")

NAMES = [f"piece {number}" for number in range(6)]


def _in_both(there: Callable[[], object], seconds: float = 0.05) -> Callable[[str], str]:
    """Work that calls `there` in the second process, and takes its time in the first."""
    first = os.getpid()

    def make(name: str) -> str:
        if os.getpid() == first:
            time.sleep(seconds)
        else:
            there()
        return name.upper()

    return make


def test_shared_work_is_that_of_one_process() -> None:
    first = os.getpid()

    def make(name: str) -> tuple[str, bool]:
        time.sleep(0.05)
        return name.upper(), os.getpid() == first

    made = made_by_two(make, NAMES)
    assert [*made] == NAMES
    assert [text for text, _ in made.values()] == [name.upper() for name in NAMES]
    assert {here for _, here in made.values()} == {True, False}


def test_no_piece_is_made_twice(tmp_path: Path) -> None:
    made = tmp_path / "made"

    def make(name: str) -> str:
        with made.open("a") as file:
            file.write(f"{name}\n")
        time.sleep(0.05)
        return name

    # An odd number: two that begin at either end both make the one in the middle.
    names = [f"piece {number}" for number in range(7)]
    assert [*made_by_two(make, names)] == names
    assert sorted(made.read_text().splitlines()) == names


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_a_second_process_that_is_killed_or_frozen_holds_nothing_up(number: int) -> None:
    before = {*psutil.Process().children()}
    made = made_by_two(_in_both(lambda: os.kill(os.getpid(), number)), NAMES)
    assert made == {name: name.upper() for name in NAMES}
    assert {*psutil.Process().children()} <= before


def test_an_error_of_the_work_is_raised_here() -> None:
    def make(name: str) -> str:
        raise ZeroDivisionError(name)

    before = {*psutil.Process().children()}
    with pytest.raises(ZeroDivisionError, match="piece 0"):
        made_by_two(make, NAMES)
    assert {*psutil.Process().children()} <= before


SCRIPT = """
import os, sys, time
from pathlib import Path
from tempo.report.figures.second_process import made_by_two

first = os.getpid()

def make(name):
    if os.getpid() != first:
        Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(0.3 if os.getpid() != first else 60)
    return name

made_by_two(make, [f"piece {number}" for number in range(1000)])
"""


def test_no_process_is_left_when_the_first_one_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(told)])
    while not (told.exists() and told.read_text()):
        time.sleep(0.05)
    other = psutil.Process(int(told.read_text()))
    process.kill()
    process.wait()
    other.wait(timeout=60)
