"""Parse a command line, and answer a mistyped word with the nearest one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from tempo.core.catalog import nearest, unknown
from tempo.core.redaction import redacted


class ExamplesFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of examples, and the longest command on the line of its help."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        # argparse forgets how far the names of commands are indented.
        self._action_max_length = len("    interpolate")


class CommandParser(argparse.ArgumentParser):
    """An argparse parser whose errors are one sentence, with the nearest known word."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """Return the options; words that no option takes end the program with exit code 2."""
        options, left = self.parse_known_args(args, namespace)
        if left:
            self._refuse(left[0], options)
        found: argparse.Namespace = options
        return found

    def check_options(self, words: Sequence[str]) -> None:
        """Refuse options of which this parser has none, before it asks for a command."""
        for word in words:
            name = word.partition("=")[0]
            if name not in self._option_string_actions:
                self._refuse(name, argparse.Namespace())

    def error(self, message: str) -> NoReturn:
        """Print the sentence and the command that shows all options; exit code 2."""
        self.exit(2, f"error: {redacted(message)}\nAll options: {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is no choice, with the nearest one."""
        if action.choices is None or value in action.choices:
            return
        what = action.metavar if isinstance(action.metavar, str) else "value"
        message = unknown(what.lower(), value, map(str, action.choices))
        named = "/".join(action.option_strings)
        self.error(f"{named}: {message}" if named else message)

    def _refuse(self, word: str, options: argparse.Namespace) -> NoReturn:
        parser = self._used(options)
        name = word.partition("=")[0]
        if not name.startswith("-"):
            parser.error(f"nothing takes the word {word!r}")
        guess = nearest(name, parser._option_string_actions)
        hint = f"; did you mean {guess}?" if guess else ""
        parser.error(f"{parser.prog} has no option {name}{hint}")

    def _used(self, options: argparse.Namespace) -> argparse.ArgumentParser:
        """The parser of the command that was given: the one that set this handler."""
        handler = getattr(options, "handler", None)
        for each in _with_subparsers(self):
            if handler is not None and each.get_default("handler") is handler:
                return each
        return self


def _with_subparsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _with_subparsers(each)
