"""Run `tempo check`: whether a network or part of one's own obeys the laws of networks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tempo.cli.render.console import make_console, plain_table, say
from tempo.core.errors import Place, SpecError
from tempo.worker.arguments import positive

if TYPE_CHECKING:
    from tempo.workflow.conformance import PartCheck

EPILOG = """examples:
  tempo check my_pkg.net:FLAVRLike --frames 4     a network, on clips of four frames
  tempo check ./net.py:Cain --set width=16        with an argument of its constructor
  tempo check ./blocks.py                         every block, norm, head ... that a file adds

Exit code 0: it breaks no law; 1: it breaks some; 2: it cannot be made.
"""

WORDS = {True: "holds", False: "BROKEN", None: "exempt"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check the laws of networks on a network or a part of your own: any size, order of views, "
        "batch independence, reversal, gradients, a reproducible start, checkpoints."
    )
    parser.epilog = EPILOG
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="module:name or file.py:name, or a plug-in's module or file",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="options",
        help="an argument of the network, the value as YAML (may be given several times)",
    )
    parser.add_argument(
        "--frames", type=positive, default=2, metavar="N", help="input frames (default: 2)"
    )
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Check the laws and print how each stands."""
    from tempo.workflow.conformance import check_part

    given = _values(options.options)
    found = check_part(options.target, given, frames=options.frames)
    console = make_console()
    for each in found:
        console.print(_table(each))
    broken = sum(len(each.broken) for each in found)
    what = "network or part" if len(found) == 1 else "networks or parts"
    if broken:
        laws = "law is" if broken == 1 else "laws are"
        say(console, f"{broken} {laws} broken by {len(found)} {what}.")
        return 1
    say(console, f"No law is broken by {len(found)} {what}.")
    return 0


def _values(texts: Sequence[str]) -> dict[str, Any]:
    from tempo.spec.yaml.strict_yaml import read_tree
    from tempo.spec.yaml.value_tree import plain

    out: dict[str, Any] = {}
    for text in texts:
        place = Place(f"--set {text}")
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise SpecError("an argument is NAME=VALUE, such as width=16", place)
        node = read_tree(value, place.source, lambda *_, place=place: place)
        out[name] = None if node is None else plain(node)
    return out


def _table(check: PartCheck) -> Any:
    table = plain_table(f"{check.title}: {check.parameters:,} parameters")
    table.add_column("law", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("how", overflow="fold")
    for each in check.outcomes:
        style = {True: "green", False: "red", None: "yellow"}[each.held]
        name = each.law.replace("_", " ")
        table.add_row(Text(name), Text(WORDS[each.held], style), Text(each.message))
    return table
