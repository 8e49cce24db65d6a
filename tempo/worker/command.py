"""Parse the arguments of a worker process and call what they name.

The parent, a cluster's job or a person starts `python -m tempo.worker COMMAND ...`. These are the
only commands that import torch, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tempo.core.errors import TempoError, lacking_on_machine
from tempo.core.redaction import redacted
from tempo.core.startup import print_in_any_encoding
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.launch.worker_command import MODULE
from tempo.records.files import write_json
from tempo.records.prices import CONFIG_FILE, NETWORKS_FILE, PRICE_FILE
from tempo.worker.arguments import add_cache, add_ddp, add_nodes, add_reuse, add_with_parent
from tempo.worker.process_setup import die_with_parent, limit_threads

Configure = Callable[[argparse.ArgumentParser], None]


def _add_run(parser: argparse.ArgumentParser) -> None:
    from tempo.worker.run import execute

    parser.description = "Carry out one run from its folder, resuming from the last checkpoint."
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of the run's records")
    add_ddp(parser)
    add_nodes(parser)
    add_reuse(parser)
    parser.add_argument(
        "--scratch", metavar="DIR", help="this node's own disk: copy the data cache there first"
    )
    parser.add_argument(
        "--within",
        nargs=2,
        metavar=("STUDY", "PROFILE"),
        help="leave once this study's budget of GPU-hours is spent",
    )
    parser.add_argument(
        "--raise", action="store_true", dest="reraise", help="record a failure, then raise it"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the command of the processes, run nothing"
    )
    add_cache(parser)
    add_with_parent(parser)
    parser.set_defaults(handler=execute)


def _add_preflight(parser: argparse.ArgumentParser) -> None:
    from tempo.worker.preflight import execute

    parser.description = "Answer a study's questions about this machine, as JSON lines."
    add_cache(parser)
    add_with_parent(parser)
    parser.set_defaults(handler=execute)


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    parser.description = "Measure what the steps of a config cost: FOLDER/config.json to price.json"
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    add_ddp(parser)
    add_cache(parser)
    add_with_parent(parser)
    parser.set_defaults(handler=_calibrate)


def _add_network_cost(parser: argparse.ArgumentParser) -> None:
    parser.description = "Count parameters and MACs: a question a line in, an answer a line out."
    parser.set_defaults(handler=_count_networks)


def _add_weight_distance(parser: argparse.ArgumentParser) -> None:
    parser.description = "Measure how far weights are apart: two folders a line in, JSON out."
    parser.set_defaults(handler=_measure_distances)


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print the devices that torch finds, and whether they compute, as JSON."
    parser.set_defaults(handler=_describe_machine)


def _add_mirror(parser: argparse.ArgumentParser) -> None:
    parser.description = "Mirror a study into MLflow while it runs, as its parent asks over a pipe."
    parser.set_defaults(handler=_mirror)


def _calibrate(options: argparse.Namespace) -> int:
    config = json.loads((options.folder / CONFIG_FILE).read_text())
    threads = config["runtime"]["threads"]
    limit_threads(threads)
    if options.with_parent:
        die_with_parent()
    if options.ddp > 1:
        return _spread(options, threads)
    from tempo.spec.study import RunConfig
    from tempo.train.hardware.calibration import calibrate
    from tempo.train.hardware.device import wants_cuda
    from tempo.train.hardware.process_group import join_group

    whole = RunConfig.model_validate(config)
    group = join_group(cuda=wants_cuda(whole.runtime))
    networks = json.loads((options.folder / NETWORKS_FILE).read_text())
    price = calibrate(whole, options.cache, group, networks)
    if group.leads:
        write_json(options.folder / PRICE_FILE, asdict(price))
    return 0


def _spread(options: argparse.Namespace, threads: int) -> int:
    """The same on several processes, started like a run that is spread over them."""
    processes = Processes(per_node=options.ddp)
    target = ["-m", MODULE, "calibrate", str(options.folder)]
    command = launch_command(processes, [*target, "--cache", str(options.cache), "--with-parent"])
    environment = {**os.environ, **launch_environment(processes, threads)}
    return subprocess.run(command, env=environment, check=False).returncode


def _count_networks(options: argparse.Namespace) -> int:
    limit_threads(1)
    die_with_parent()
    for line in sys.stdin:
        print(json.dumps(_cost(json.loads(line))), flush=True)
    return 0


def _cost(question: dict[str, Any]) -> dict[str, Any]:
    """Parameters and MACs of {"arch", "crop", "plugins"}, or why the network cannot be built."""
    from tempo.core.plugins.loading import load_of
    from tempo.models.network_cost import count
    from tempo.spec.networks import BY_KIND
    from tempo.spec.options import parse_by_kind

    try:
        crop = question["crop"]
        load_of(question)
        cost = count(parse_by_kind(BY_KIND, question["arch"]), height=crop, width=crop)
    except Exception as error:
        # Whatever a part raises here it would raise in the run; the parent reports it.
        return {"broken": f"{type(error).__name__}: {error}"}
    return {"parameters": cost.parameters, "macs": cost.macs}


def _measure_distances(options: argparse.Namespace) -> int:
    limit_threads(1)
    die_with_parent()
    from tempo.train.evaluation.weight_distance import weight_distance

    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = weight_distance(Path(question["before"]), Path(question["after"]))
        except (TempoError, ValueError) as error:
            answer = {"problem": redacted(str(error))}
        print(json.dumps(answer), flush=True)
    return 0


def _describe_machine(options: argparse.Namespace) -> int:
    limit_threads(1)
    die_with_parent()
    from tempo.train.hardware.machine_facts import machine_facts

    print(json.dumps(machine_facts()), flush=True)
    return 0


def _mirror(options: argparse.Namespace) -> int:
    from tempo.track.mirror_process import serve

    # Ctrl-C and SIGTERM are for the study: the mirror leaves when its parent asks no more.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Answers go to the pipe; whatever MLflow prints goes to stderr.
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with os.fdopen(answers, "w") as file:
        serve(sys.stdin, file)
    return 0


COMMANDS: dict[str, tuple[str, Configure]] = {
    "run": ("carry out one run", _add_run),
    "preflight": ("check what a plan needs", _add_preflight),
    "calibrate": ("measure what a config costs", _add_calibrate),
    "network-cost": ("count networks", _add_network_cost),
    "weight-distance": ("measure how far weights are apart", _add_weight_distance),
    "machine": ("say which devices compute", _add_machine),
    "mirror": ("mirror a study into MLflow", _add_mirror),
}
"""Each command: its line in the help, and the function that adds its options and handler."""


def parser(*commands: str) -> argparse.ArgumentParser:
    """The parser with the options of `commands`, or of all."""
    top = argparse.ArgumentParser(prog="python -m tempo.worker", description=__doc__)
    added = top.add_subparsers(required=True, metavar="COMMAND")
    for name, (line, configure) in COMMANDS.items():
        one = added.add_parser(name, help=line)
        if name in (commands or COMMANDS):
            configure(one)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute a worker command; returns the exit code (see `tempo.core.jobs`)."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser(*(word for word in words[:1] if word in COMMANDS)).parse_args(words)
    print_in_any_encoding()
    try:
        return int(options.handler(options))
    except TempoError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        lacking = lacking_on_machine(error)
        if lacking is None or getattr(options, "reraise", False):
            raise
        print(f"error: {redacted(lacking)}", file=sys.stderr)
        return 2
