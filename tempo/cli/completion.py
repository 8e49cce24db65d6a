"""Run `tempo completion`: print the script by which a shell completes commands and options."""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """examples:
  tempo completion bash > ~/.local/share/bash-completion/completions/tempo
  source <(tempo completion bash)                      in this shell only
  tempo completion zsh > ~/.zsh/completions/_tempo     where that folder is in $fpath
"""

FILES = {"SPEC", "FILE", "VIDEO", "PICTURE", "PNG", "NAME|SPEC"}
"""What an option or argument is called in the help where it takes a file."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print a script that completes commands, options, files and folders."
    parser.epilog = EPILOG
    parser.add_argument("shell", choices=("bash", "zsh"), metavar="SHELL", help="bash or zsh")
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the script of the whole command line as it is now."""
    import shtab

    from tempo.cli.main import parser

    whole = parser()
    _complete_paths(whole)
    print(shtab.complete(whole, shell=options.shell))
    return 0


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    """Mark what takes a file or a folder, for the parser and those of its commands."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _complete_paths(each)
        elif action.metavar in FILES or (action.type is Path and action.metavar != "DIR"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar == "DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
