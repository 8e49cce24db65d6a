"""Run `tempo init`: write a small project to begin with, or the specs that ship with Tempo."""

from __future__ import annotations

import argparse
from pathlib import Path

from tempo.cli.render.console import make_console, say
from tempo.core.own_command import own_command

EPILOG = """examples:
  tempo init my_study             a study that runs, notes on it, and the schema for editors
  tempo init                      the same, here
  tempo init --specs examples     the experiments and ablations that ship with Tempo
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a small project that runs; nothing is overwritten."
    parser.epilog = EPILOG
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: this folder"
    )
    parser.add_argument(
        "--specs", action="store_true", help="the specs that ship with Tempo instead"
    )
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the files and say which command to give next."""
    from tempo.workflow.project import init_project

    written = init_project(options.folder, specs=options.specs)
    console = make_console()
    for path in written if not options.specs else written[-1:]:
        say(console, f"wrote {path}")
    if options.specs:
        say(console, f"wrote {len(written) - 1} specs into {options.folder}")
    say(console, "Next:")
    if options.folder != Path():
        say(console, f"  cd {options.folder}")
    spec = "ablations/se_dilation.yaml" if options.specs else "study.yaml"
    say(console, f"  {own_command('run', spec, '--profile', 'smoke')}")
    return 0
