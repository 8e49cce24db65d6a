"""What `python -m tempo.worker` promises to launchers: its commands, options and exit codes."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tempo.core.torchrun_command import Processes
from tempo.launch.worker_command import MODULE, WORKER, WorkerCommand, call_worker
from tempo.worker.command import COMMANDS, main, parser

OPTIONS = {
    "run": {
        "--cache",
        "--ddp",
        "--dry-run",
        "--nodes",
        "--rendezvous",
        "--scratch",
        "--raise",
        "--reuse-stale",
        "--with-parent",
        "--within",
    },
    "preflight": {"--cache", "--with-parent"},
    "calibrate": {"--cache", "--ddp", "--with-parent"},
    "network-cost": set(),
    "weight-distance": set(),
    "machine": set(),
    "mirror": set(),
}


def _options(command: str) -> set[str]:
    top = parser(command)
    (commands,) = (
        action for action in top._actions if isinstance(action, argparse._SubParsersAction)
    )
    actions = commands.choices[command]._actions
    return {text for action in actions for text in action.option_strings} - {"-h", "--help"}


def test_the_commands_and_their_options_are_these() -> None:
    assert {command: _options(command) for command in COMMANDS} == OPTIONS


def test_launchers_build_a_command_that_the_worker_understands(tmp_path: Path) -> None:
    command = WorkerCommand(
        folder=tmp_path / "runs" / "x",
        cache=tmp_path / "cache",
        processes=Processes(per_node=2, nodes=3),
        reraise=True,
        reuse_stale=True,
        within=("study", "demo"),
        scratch="$TMPDIR",
    ).argv()
    assert tuple(command[: len(WORKER)]) == WORKER
    options = parser("run").parse_args([*command[len(WORKER) :], "--rendezvous", "head:1"])
    assert (options.run, options.cache) == (tmp_path / "runs" / "x", tmp_path / "cache")
    assert (options.ddp, options.nodes, options.rendezvous) == (2, 3, "head:1")
    assert options.with_parent and options.reraise and options.reuse_stale
    assert (options.within, options.scratch) == (["study", "demo"], "$TMPDIR")


def test_each_rank_executes_the_run_alone(tmp_path: Path) -> None:
    command = WorkerCommand(
        folder=tmp_path, cache=tmp_path, processes=Processes(per_node=2), scratch="/disk"
    )
    target = command.rank_target()
    assert target[:3] == ["-m", MODULE, "run"]
    options = parser("run").parse_args(target[2:])
    assert options.ddp == 1 and options.scratch is None


def test_bad_input_is_a_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call_worker(["run", str(tmp_path)]) == 2
    assert "holds no run (run.json is missing)" in capsys.readouterr().err
    assert main(["run", str(tmp_path), "--nodes", "2"]) == 2
    assert "--nodes 2 needs --rendezvous HOST:PORT" in capsys.readouterr().err
