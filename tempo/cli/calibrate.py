"""`tempo calibrate`: what a config costs on this machine. `tempo plan --price` starts it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path

from tempo.cli.torchrun import add_ddp
from tempo.cli.worker import add_process_options, die_with_parent, limit_threads
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.records.files import write_json

CONFIG, PRICE = "config.json", "price.json"
"""What is read from a calibration's folder, and what is written there."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = f"Measure what a run's steps cost: FOLDER/{CONFIG} to FOLDER/{PRICE}."
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    add_ddp(parser)
    add_process_options(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    config = json.loads((options.folder / CONFIG).read_text())
    threads = config["runtime"]["threads"]
    limit_threads(threads)
    if options.with_parent:
        die_with_parent()
    if options.ddp > 1:
        return _together(options, threads)
    from tempo.spec.study import RunConfig
    from tempo.train.hardware.calibration import calibrate
    from tempo.train.hardware.device import wants_cuda
    from tempo.train.hardware.process_group import join_group

    whole = RunConfig.model_validate(config)
    group = join_group(cuda=wants_cuda(whole.runtime))
    price = calibrate(whole, options.cache, group)
    if group.leads:
        write_json(options.folder / PRICE, asdict(price))
    return 0


def _together(options: argparse.Namespace, threads: int) -> int:
    """The same in several processes, started as a run that is spread over them."""
    processes = Processes(per_node=options.ddp)
    target = ["-m", "tempo.cli.main", "calibrate", str(options.folder)]
    command = launch_command(processes, [*target, "--cache", str(options.cache), "--with-parent"])
    environment = {**os.environ, **launch_environment(processes, threads)}
    return subprocess.run(command, env=environment, check=False).returncode
