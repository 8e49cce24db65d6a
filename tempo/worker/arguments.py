"""Define command-line options that workers and the command line share."""

from __future__ import annotations

import argparse
from pathlib import Path

from tempo.core.torchrun_command import RENDEZVOUS, default_rendezvous
from tempo.records.layout import default_cache


def positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1, not {text!r}")
    return number


def add_folder(parser: argparse.ArgumentParser, name: str, default: Path, text: str) -> None:
    """Add an option that names a folder."""
    parser.add_argument(name, type=Path, default=default, metavar="DIR", help=text)


def add_cache(parser: argparse.ArgumentParser) -> None:
    text = "folder of decoded pictures (default: $TEMPO_CACHE or %(default)s)"
    add_folder(parser, "--cache", default_cache(), text)


def add_with_parent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--with-parent", action="store_true", help="leave when the parent ends")


def add_reuse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reuse-stale",
        action="store_true",
        help="take results that other code made, instead of making them again",
    )


def add_ddp(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ddp",
        type=positive,
        default=1,
        metavar="N",
        help="processes per run: Tempo starts torchrun for each run",
    )


def add_nodes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nodes", type=positive, default=1, metavar="N", help="machines that share the run"
    )
    parser.add_argument(
        "--rendezvous",
        metavar="HOST:PORT",
        default=default_rendezvous(),
        help=f"where several machines meet (default: ${RENDEZVOUS})",
    )
