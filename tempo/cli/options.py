"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from tempo.records.layout import default_root


def add_spec(parser: argparse.ArgumentParser) -> None:
    """The spec, its profile and its overrides."""
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
    """Where records lie."""
    parser.add_argument(
        "--records",
        type=Path,
        default=default_root(),
        metavar="DIR",
        help="folder of the records (default: $TEMPO_RECORDS or %(default)s)",
    )


def add_reuse(parser: argparse.ArgumentParser) -> None:
    """Whether results of other code count."""
    parser.add_argument(
        "--reuse-stale",
        action="store_true",
        help="take results that other code made, instead of making them again",
    )


def add_profile_steps(parser: argparse.ArgumentParser) -> None:
    """A profiler trace, as one more override of the spec."""
    parser.add_argument(
        "--profile-steps",
        action="append",
        dest="overrides",
        type=_profiled,
        metavar="FIRST:LAST",
        help="record a profiler trace of these steps of each run that is carried out",
    )


def _profiled(text: str) -> str:
    """`3:5` as the override that it stands for."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"FIRST:LAST, two steps counted from 1, not {text!r}")
    return f"runtime.profile_steps=[{int(first)}, {int(last)}]"


def positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1, not {text!r}")
    return number
