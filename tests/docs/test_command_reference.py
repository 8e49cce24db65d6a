"""The reference of the command line has every command and every option."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import command_reference
import pytest

from tempo.cli.main import COMMANDS, parser

PAGE = command_reference.markdown()


def leaves(
    one: argparse.ArgumentParser, name: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from leaves(child, f"{name} {word}")
            return
    yield name, one


LEAVES = dict(leaves(parser(*COMMANDS), "tempo"))


def test_there_are_commands_below_commands() -> None:
    assert {"tempo run", "tempo search show", "tempo data prepare"} <= LEAVES.keys()


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_of_a_command_is_on_the_page(name: str) -> None:
    part = PAGE.partition(f" `{name}` {{ #")[2].partition("\n##")[0]
    assert part
    for action in LEAVES[name]._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        positional = action.metavar or action.dest.upper()
        shown = [f"`{each}`" for each in action.option_strings] or [str(positional)]
        assert all(each in part for each in shown), action
        assert "%(" not in part


def test_what_a_line_says() -> None:
    assert "| `--slots` `N` | Runs side by side (default: devices) |" in PAGE
    assert "| `-f`, `--follow` | Until the run ends |" in PAGE
