"""Run `tempo schema`: print the JSON schema of specs, for editors that complete and check YAML."""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """examples:
  tempo schema --out study.schema.json     a file beside the specs
  tempo schema | less

A spec names the file in its first line:
  # yaml-language-server: $schema=study.schema.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print the JSON schema of specs, for editors that complete and check YAML."
    parser.epilog = EPILOG
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write it there (a file there is replaced)"
    )
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the schema, or write it to a file."""
    from tempo.workflow.project import schema_text, write_schema

    if options.out is None:
        print(schema_text(), end="")
        return 0
    write_schema(options.out)
    print(f"wrote {options.out}")
    return 0
