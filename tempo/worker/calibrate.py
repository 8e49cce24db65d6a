"""Measure what a config costs on this machine: FOLDER/config.json to FOLDER/price.json."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from dataclasses import asdict

from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.launch.worker_command import MODULE
from tempo.records.files import write_json
from tempo.records.prices import CONFIG_FILE, PRICE_FILE
from tempo.worker.process_setup import die_with_parent, limit_threads


def execute(options: argparse.Namespace) -> int:
    """Train a few steps of the config in the folder and write their price there."""
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
    price = calibrate(whole, options.cache, group)
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
