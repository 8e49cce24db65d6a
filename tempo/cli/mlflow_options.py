"""Define options that name an MLflow store and what is sent there."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tempo.core.errors import TempoError
from tempo.track.store_address import default_uri, store_uri
from tempo.workflow.run_options import MIRROR_OFF

_WORDS_FOR_OFF = {"off", "none"}


def add_store(parser: argparse.ArgumentParser, *, may_be_off: bool = False) -> None:
    """`--mlflow`, by default what MLFLOW_TRACKING_URI says."""
    off = ", or `off`" if may_be_off else ""
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        type=_store_or_off if may_be_off else store,
        default=os.environ.get("MLFLOW_TRACKING_URI") or None,
        help=f"MLflow store{off} (default: the sqlite file beside the records)",
    )


def add_checkpoints(parser: argparse.ArgumentParser) -> None:
    """Whether checkpoints go to MLflow."""
    parser.add_argument(
        "--mlflow-checkpoints",
        metavar="MIB",
        type=_size,
        default=0.0,
        help="send each run's best and last checkpoint, if not larger than this (default: none)",
    )


def add_wandb(parser: argparse.ArgumentParser) -> None:
    """Whether a study goes to Weights & Biases as well."""
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
    """The URI of a store, for argparse."""
    try:
        return store_uri(text)
    except TempoError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _store_or_off(text: str) -> str:
    return MIRROR_OFF if text.lower() in _WORDS_FOR_OFF else store(text)
