"""Write the reference of the command line from its parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from tempo.cli.main import COMMANDS, parser

INTRODUCTION = """# Commands

Every command of `tempo`, as `tempo COMMAND --help` prints it. From a checkout
`python run_experiment.py` is `tempo run`, and `python compare.py` is `tempo compare`. The exit code
is 0 when all is done, 1 when a run failed or a gate was not held, 2 for bad input, and 130 when it
was stopped.
"""


def markdown() -> str:
    """Return the page: a section a command, with its options and examples."""
    return "\n".join([INTRODUCTION, *_parts(_children(parser(*COMMANDS)), "tempo", 2)])


def _children(one: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _parts(commands: dict[str, argparse.ArgumentParser], above: str, level: int) -> Iterator[str]:
    for name, one in commands.items():
        path = f"{above} {name}"
        yield f"{'#' * level} `{path}` {{ #{path.replace(' ', '-')} }}\n"
        if one.description:
            yield one.description + "\n"
        if children := _children(one):
            yield from _parts(children, path, level + 1)
        else:
            yield f"```text\n{_usage(one)}\n```\n"
            yield from _options(one)
        if one.epilog:
            yield f"```text\n{one.epilog.strip()}\n```\n"


def _usage(one: argparse.ArgumentParser) -> str:
    words = [one.prog]
    for action in one._actions:
        if not action.option_strings:
            words.append(_values(action))
        elif action.required:
            words.append(f"{action.option_strings[0]} {_values(action)}")
    return " ".join([*words, "[OPTIONS]"])


def _options(one: argparse.ArgumentParser) -> Iterator[str]:
    yield "| option | meaning |\n|---|---|"
    for action in one._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        names = ", ".join(f"`{each}`" for each in action.option_strings)
        values = "" if action.nargs == 0 else f"`{_values(action)}`"
        yield f"| {' '.join(filter(None, (names, values)))} | {_meaning(one, action)} |"
    yield ""


def _values(action: argparse.Action) -> str:
    name = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    if isinstance(name, tuple):
        return " ".join(name)
    return {"+": f"{name} [{name} ...]", "*": f"[{name} ...]", "?": f"[{name}]"}.get(
        str(action.nargs), name
    )


def _meaning(one: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = one._get_formatter()._expand_help(action) if action.help else ""
    text = " ".join(text.split()).replace("|", "&#124;").replace("<", "&lt;")
    text = text.replace("*", "\\*").replace("_", "\\_")
    return text[:1].upper() + text[1:]
