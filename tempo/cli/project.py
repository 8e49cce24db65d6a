"""Run `tempo init` and `tempo schema`: write a project to begin with, and the schema of specs."""

from __future__ import annotations

import argparse
from pathlib import Path

from tempo.cli.render.console import make_console, say
from tempo.core.own_command import own_command

EPILOG = """examples:
  tempo init my_study             a study with a block of its own, notes, the schema for editors
  tempo init                      the same, here
  tempo init --specs examples     the experiments and ablations that ship with Tempo
"""


def configure_init(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a small project that runs; nothing is overwritten."
    parser.epilog = EPILOG
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: this folder"
    )
    parser.add_argument(
        "--specs", action="store_true", help="the specs that ship with Tempo instead"
    )
    parser.set_defaults(handler=init)


def init(options: argparse.Namespace) -> int:
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


SCHEMA_EPILOG = """examples:
  tempo schema --out study.schema.json     a file beside the specs
  tempo schema | less

A spec names the file in its first line:
  # yaml-language-server: $schema=study.schema.json
"""


def configure_schema(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print the JSON schema of specs, for editors that complete and check YAML."
    parser.epilog = SCHEMA_EPILOG
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write it there (a file there is replaced)"
    )
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE",
        dest="plugins",
        help="with the parts of this plug-in, a module or a file (may be given several times)",
    )
    parser.set_defaults(handler=schema)


def schema(options: argparse.Namespace) -> int:
    """Print the schema, or write it to a file."""
    from tempo.core.plugins.loading import load_named
    from tempo.workflow.project import schema_text, write_schema

    load_named(options.plugins)
    if options.out is None:
        print(schema_text(), end="")
        return 0
    write_schema(options.out)
    print(f"wrote {options.out}")
    return 0
