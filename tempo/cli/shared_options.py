"""Define options that several commands share, and turn them into a study's options."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import TempoError
from tempo.core.own_command import given_command
from tempo.core.startup import loading
from tempo.records.layout import default_root
from tempo.track.store_address import default_uri, store_uri
from tempo.worker.arguments import add_cache, add_ddp, add_folder, add_reuse, positive
from tempo.workflow.run_options import MIRROR_OFF, RunOptions

if TYPE_CHECKING:
    from tempo.workflow.study import Study

__all__ = ["add_cache", "add_ddp", "add_reuse", "positive"]

OFF = {"off", "none"}
"""What `--mlflow` and MLFLOW_TRACKING_URI say for no store."""

OPTIONS = {field.name for field in fields(RunOptions)} - {"command", "overrides"}
"""Fields of `RunOptions` that options of the same name set."""


def open_study(options: argparse.Namespace) -> Study:
    """The study that SPEC, --profile and --set name, under the options given."""
    with loading():
        from tempo.workflow.study import load_study

    given = vars(options)
    chosen: dict[str, Any] = {name: given[name] for name in OPTIONS if name in given}
    return load_study(
        options.spec,
        profile=options.profile,
        overrides=options.overrides,
        command=given_command(),
        **chosen,
    )


def add_spec(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="SPEC", help="a YAML file")
    parser.add_argument("--profile", help="overlay a profile of the spec: smoke, demo, full ...")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY.PATH=VALUE",
        help="override one value of the spec, as YAML; may be given several times",
    )


def add_records(parser: argparse.ArgumentParser) -> None:
    text = "folder of the records (default: $TEMPO_RECORDS or %(default)s)"
    add_folder(parser, "--records", default_root(), text)


def add_reports(parser: argparse.ArgumentParser) -> None:
    add_folder(parser, "--reports", Path("reports"), "folder of the reports (default: %(default)s)")


def warn(sentence: str) -> None:
    """Tell the user, beside the output proper, what was left out of it."""
    print(sentence, file=sys.stderr)


def add_slots(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--slots", type=positive, metavar="N", help="runs side by side (default: devices)"
    )


def add_ray_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ray-address",
        metavar="URL",
        help="the Ray cluster of --launcher ray, as http://HEAD:8265 (default: $RAY_ADDRESS, or "
        "`address` in ~/.config/tempo/ray.yaml, or a cluster on this machine)",
    )


def add_scratch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scratch",
        metavar="DIR",
        help="a node's own disk, to copy the data cache to (as $TMPDIR, expanded on the node)",
    )


def add_priority(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--priority",
        type=int,
        default=0,
        metavar="N",
        help="of these runs among all that share this machine: the highest takes the next slot "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--preempt",
        action="store_true",
        help="have runs of lower priority write a checkpoint and leave; they go on later",
    )


def add_profile_steps(parser: argparse.ArgumentParser) -> None:
    """Add `--profile-steps`: a profiler trace, as one more override of the spec."""
    parser.add_argument(
        "--profile-steps",
        action="append",
        dest="overrides",
        type=_profiled,
        metavar="FIRST:LAST",
        help="record a profiler trace of these steps of each run that is carried out",
    )


def _profiled(text: str) -> str:
    """`3:5` as the override of the spec that means the same."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"FIRST:LAST, two steps counted from 1, not {text!r}")
    return f"runtime.profile_steps=[{int(first)}, {int(last)}]"


def add_store(parser: argparse.ArgumentParser, *, may_be_off: bool = False) -> None:
    """Add `--mlflow`, by default what MLFLOW_TRACKING_URI says.

    The variable may be `off` for every command: it then names no store to read from, and a study
    sends nothing.
    """
    off = ", or `off`" if may_be_off else ""
    said = os.environ.get("MLFLOW_TRACKING_URI") or None
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        type=_store_or_off if may_be_off else store,
        default=None if said and said.lower() in OFF and not may_be_off else said,
        help=f"MLflow store{off} (default: the sqlite file beside the records)",
    )


def add_checkpoints(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mlflow-checkpoints",
        metavar="MIB",
        type=_size,
        default=0.0,
        help="send each run's best and last checkpoint, if not larger than this (default: none)",
    )


def add_formats(parser: argparse.ArgumentParser, names: Sequence[str], note: str = "") -> None:
    """Add an option for each form in which a table can be printed; `note` says what else."""
    output = parser.add_mutually_exclusive_group()
    for name in names:
        output.add_argument(
            f"--{name}",
            action="store_const",
            const=name,
            dest="format",
            help=f"print {name}{note}",
        )


def add_wandb(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wandb",
        action="store_true",
        help="write ended runs for Weights & Biases too, offline, into RECORDS/wandb",
    )


def _size(text: str) -> float:
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not size >= 0:
        raise argparse.ArgumentTypeError(f"a size in MiB, 0 for none, not {text!r}")
    return size


def store_of(options: argparse.Namespace) -> str:
    """The store that was asked for, or the one beside the records."""
    records: Path = options.records
    return options.mlflow or default_uri(records)


def store(text: str) -> str:
    try:
        return store_uri(text)
    except TempoError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _store_or_off(text: str) -> str:
    return MIRROR_OFF if text.lower() in OFF else store(text)
