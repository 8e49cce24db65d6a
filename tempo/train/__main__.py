"""`python -m tempo.train RUN_FOLDER --cache CACHE`: carry out one run, also under torchrun."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tempo.train", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the run, with run.json")
    parser.add_argument("--cache", type=Path, required=True, help="folder of decoded pictures")
    parser.add_argument(
        "--processes", type=int, default=1, help="processes on this machine, started by torchrun"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines that share the run")
    parser.add_argument("--rendezvous", metavar="HOST:PORT", help="where several machines meet")
    parser.add_argument("--dry-run", action="store_true", help="print the command, run nothing")
    arguments = parser.parse_args()
    if arguments.nodes > 1 and not arguments.rendezvous:
        parser.error("--nodes above 1 needs --rendezvous HOST:PORT, the same on every machine")
    return _spread(arguments) if arguments.processes * arguments.nodes > 1 else _alone(arguments)


def _alone(arguments: argparse.Namespace) -> int:
    if arguments.dry_run:
        words = [sys.executable, "-m", "tempo.train", str(arguments.folder)]
        print(shlex.join([*words, "--cache", str(arguments.cache)]))
        return 0
    from tempo.train.run.run_folder import run

    return run(arguments.folder, arguments.cache)


def _spread(arguments: argparse.Namespace) -> int:
    from tempo.core.torchrun_command import Processes, launch_command
    from tempo.train.hardware.spawn_ranks import run_spread

    processes = Processes(
        per_node=arguments.processes, nodes=arguments.nodes, rendezvous=arguments.rendezvous
    )
    target = ["-m", "tempo.train", str(arguments.folder), "--cache", str(arguments.cache)]
    if arguments.dry_run:
        print(shlex.join(launch_command(processes, target)))
        return 0
    return run_spread(arguments.folder, processes, target)


if __name__ == "__main__":
    sys.exit(main())
