"""Which way workers start on which system, and what is said where something is missing."""

import multiprocessing
import sys

import pytest

from tempo.core.errors import TempoError
from tempo.launch.launchers.worker_processes import (
    WORKER_START,
    ForkServer,
    NewProcesses,
    limits_here,
    make_start,
)
from tempo.launch.worker_command import call_worker


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKER_START, raising=False)


@pytest.mark.parametrize(
    ("platform", "asked", "made"),
    [
        ("linux", "", ForkServer),
        ("linux", "spawn", NewProcesses),
        ("darwin", "", NewProcesses),
        ("darwin", "fork", ForkServer),
        ("win32", "", NewProcesses),
    ],
)
def test_workers_start_as_suits_the_system(
    platform: str, asked: str, made: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(WORKER_START, asked)
    assert type(make_start(call_worker, ())) is made


def test_a_way_that_is_not_known_or_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKER_START, "thread")
    with pytest.raises(TempoError, match="is 'thread', and workers start by fork or by spawn"):
        make_start(call_worker, ())
    monkeypatch.setenv(WORKER_START, "fork")
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(TempoError, match="'fork', which this system cannot; leave it at spawn"):
        make_start(call_worker, ())


def test_each_other_system_gets_one_sentence() -> None:
    assert limits_here("linux") is None
    for platform, name in (("darwin", "macOS"), ("win32", "Windows")):
        said = limits_here(platform)
        assert said is not None and said.startswith(f"On {name} ") and said.endswith(".")
