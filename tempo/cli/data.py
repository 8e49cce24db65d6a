"""Run `tempo data`: prepare data sets and describe them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console
from tempo.cli.render.datasets import show_described, show_prepared
from tempo.cli.render.live import make_observer

EPILOG = """examples:
  tempo data prepare vimeo90k --root /data/vimeo_triplet
  tempo data prepare experiments/tempo_v3.yaml
  tempo data prepare snu_film --root /data/snu_film
  tempo data info video --root clips --set size=[256,448]
  tempo data info x_test --sample 20

A name is a kind of training data (procedural, video, frames, vimeo90k, vimeo90k_septuplet,
x4k1000fps) or a test set (ucf101, middlebury, snu_film, xiph, x_test, x_test_2k, davis).
"""

PREPARE = """Check lists and files, and build the cache of decoded pictures that training reads.
Shards that are whole stay; an interrupted build goes on where it stopped. Clips that cannot be read
are listed, and tried again by the next call. A test set has no cache: its pictures are all read
once, so that no evaluation meets a broken one."""

INFO = """Say how large a data set is, where its clips come from and how far things move in them,
and draw a contact sheet."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Prepare data sets, and look at them."
    parser.epilog = EPILOG
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text, add, handler in (
        ("prepare", PREPARE, _add_prepare, _prepare),
        ("info", INFO, _add_info, _info),
    ):
        one = commands.add_parser(
            name,
            help=text.partition(".")[0],
            description=text,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_common(one)
        add(one)
        one.set_defaults(handler=handler)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="NAME|SPEC", help="a data set's name, or a YAML file")
    parser.add_argument("--root", metavar="DIR", help="where the data set's files are")
    parser.add_argument("--profile", help="with a spec: overlay one of its profiles")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="an option of the data set, or a value of the spec, as YAML",
    )
    shared.add_cache(parser)
    parser.add_argument(
        "--jobs", type=shared.positive, help="cores to use (default: all that are available)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    """Nothing beside the common options."""


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", action="append", choices=("train", "val", "test"), default=[])
    parser.add_argument(
        "--sample",
        type=shared.positive,
        default=100,
        metavar="N",
        help="clips of each split whose motion is measured (default: %(default)s)",
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="default: in the cache, named by the data set"
    )


def _prepare(options: argparse.Namespace) -> int:
    """Prepare every data set; 1 when a test set is not as published."""
    from tempo.workflow.datasets import prepare_data

    told = prepare_data(options.what, **_asked(options))
    _tell(told, options, show_prepared)
    return 0 if all(each["whole"] for each in told) else 1


def _info(options: argparse.Namespace) -> int:
    """Describe every data set, and draw a sheet of each split."""
    from tempo.workflow.datasets import describe_data

    told = describe_data(
        options.what,
        splits=options.split,
        sample=options.sample,
        sheet=options.sheet,
        **_asked(options),
    )
    _tell(told, options, show_described)
    return 0


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "overrides": options.overrides,
        "profile": options.profile,
        "observer": make_observer(stderr=True),
        "root": options.root,
        "cache": options.cache,
        "jobs": options.jobs,
    }


def _tell(
    told: Sequence[Any], options: argparse.Namespace, show: Callable[[Any, Console], None]
) -> None:
    """Print what was found: as JSON, or each as `show` does."""
    if options.json:
        print(json.dumps(told if len(told) > 1 else told[0], indent=2))
        return
    console = make_console()
    for each in told:
        show(each, console)
