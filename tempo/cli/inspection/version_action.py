"""Print what `tempo --version` says."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn


class VersionAction(argparse.Action):
    """Prints the version on the first line, then commit, code stamp and packages, and exits."""

    def __init__(self, option_strings: list[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *given: Any) -> NoReturn:
        from tempo.workflow.inspection.installation import version_lines

        print("\n".join(version_lines()))
        parser.exit()
