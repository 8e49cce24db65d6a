"""Commands as the user gives them, and numbers of things."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tempo.core.counted import counted
from tempo.core.own_command import given_command, own_command, page_command


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs of a virtual environment in the current folder, which is not activated."""
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("python", "tempo"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tempo"])
    monkeypatch.setenv("PATH", "/usr/bin")
    return programs


@pytest.mark.parametrize(
    ("program", "command", "given"),
    [
        ("run_experiment.py", "run", "python run_experiment.py s.yaml"),
        ("./run_experiment.py", "compare", "python compare.py s.yaml"),
        ("compare.py", "run", "python run_experiment.py s.yaml"),
        ("compare.py", "ui", "tempo ui s.yaml"),
        ("/x/bin/tempo", "run", "tempo run s.yaml"),
        ("kernel.py", "compare", "tempo compare s.yaml"),
    ],
)
def test_a_page_names_the_script_only_where_it_was_used(
    program: str, command: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    assert page_command(command, "s.yaml") == given


def test_a_message_names_the_program_by_a_path_where_its_name_finds_none(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_command("ui") == ".venv/bin/tempo ui"
    monkeypatch.setattr(sys, "argv", ["run_experiment.py"])
    assert own_command("run", "a b.yaml") == ".venv/bin/python run_experiment.py 'a b.yaml'"
    monkeypatch.setenv("PATH", f"{environment}{os.pathsep}/usr/bin")
    assert own_command("run", "s.yaml") == "python run_experiment.py s.yaml"
    assert own_command("ui") == "tempo ui"


def test_the_script_is_named_by_the_path_that_was_used(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{environment}{os.pathsep}/usr/bin")
    monkeypatch.setattr(sys, "argv", ["../tempo/compare.py", "s"])
    assert own_command("run", "s.yaml") == "python ../tempo/run_experiment.py s.yaml"


@pytest.mark.parametrize(
    ("argv", "given"),
    [
        (["run_experiment.py", "a b.yaml"], ".venv/bin/python run_experiment.py 'a b.yaml'"),
        (["/x/bin/tempo", "run", "s.yaml"], ".venv/bin/tempo run s.yaml"),
    ],
)
def test_the_command_that_was_given_can_be_given_again(
    argv: list[str], given: str, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment.is_dir()
    monkeypatch.setattr(sys, "argv", argv)
    assert given_command() == given


def test_from_another_folder_the_path_is_whole(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert own_command("ui").split() in (
        [str(environment / "tempo"), "ui"],
        [str(environment / "tempo").removeprefix("/"), "ui"],
    )


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (4002, "4,002 runs")]
)
def test_one_thing_is_singular(number: int, text: str) -> None:
    assert counted(number, "run") == text
