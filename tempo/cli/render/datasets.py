"""Print what was found of data sets: splits, notes, motion."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table

from tempo.cli.render.console import say

SHOWN = 20
"""Notes that are printed; --json has them all."""


def show_prepared(told: Mapping[str, Any], console: Console) -> None:
    """Print a data set that was prepared, or a test set that was read."""
    if "test_set" in told:
        published = "" if told["published"] is None else f" of {told['published']} published"
        line = f"{told['test_set']}: {told['clips']} clips{published}"
        say(console, f"{line}, protocol {told['protocol_hash']}, read at {told['root']}")
        _show_notes(told["notes"], console)
        return
    for name, each in told["lists"].items():
        same = "as published" if each["sequences"] == each["published"] else (
            f"not the {each['published']} that were published")  # fmt: skip
        say(console, f"{name}: {each['sequences']} sequences, {same}, SHA-256 {each['sha256']}")
    console.print(_splits_table(told["data"]["kind"], told["splits"]))
    for split in told["splits"].values():
        _show_notes(split["notes"], console)


def show_described(told: Mapping[str, Any], console: Console) -> None:
    """Print a description of a data set: its size, its sources and its motion."""
    if "splits" in told:
        console.print(_splits_table(told["name"], told["splits"]))
        for name, each in told["splits"].items():
            say(console, f"{name}: {_clips_of_a_source(each)}")
            _show_notes(each["notes"], console)
    else:
        published = "" if told["published"] is None else f" of {told['published']} published"
        say(console, f"{told['title']}: {told['clips']} clips{published} ({told['reference']})")
        say(console, _clips_of_a_source(told))
        for key, value in told["protocol"].items():
            say(console, f"  {key}: {value}")
        _show_notes(told["notes"], console)
    for what, unit in (("motion", "pixels between the outer frames"), ("occlusion", "share")):
        console.print(_quantiles(told["motion"], what, unit))
    for name, each in told["motion"].items():
        say(console, f"{name}: contact sheet {each['sheet']}")


def _splits_table(kind: str, splits: Mapping[str, Mapping[str, Any]]) -> Table:
    """One line for each split."""
    table = Table(title=kind, title_justify="left")
    for column in ("split", "clips", "pictures", "size", "GB", "counted", "digest"):
        table.add_column(
            column, justify="right" if column in ("clips", "pictures", "GB") else "left"
        )
    for name, each in splits.items():
        counted = ", ".join(f"{count} {what}" for what, count in sorted(each["counts"].items()))
        sizes = " ".join(each["sizes"])
        numbers = (str(each["clips"]), str(each["pictures"]), sizes, f"{each['bytes'] / 1e9:.3f}")
        table.add_row(name, *numbers, counted, each["digest"])
    return table


def _show_notes(notes: list[str], console: Console) -> None:
    """The first notes, and how many more there are."""
    for note in islice(notes, SHOWN):
        say(console, f"  {note}")
    if len(notes) > SHOWN:
        say(console, f"  and {len(notes) - SHOWN} more (--json has them all)")


def _clips_of_a_source(told: Mapping[str, Any]) -> str:
    least, median, most = told["least"], told["median"], told["most"]
    return f"{told['sources']} sources, {least} to {most} clips of one, median {median:g}"


def _quantiles(splits: Mapping[str, Mapping[str, Any]], what: str, unit: str) -> Table:
    estimated = any(each["estimated"] for each in splits.values())
    how = "estimated by optical flow" if estimated else "known"
    table = Table(title=f"{what}: {unit}, {how}", title_justify="left")
    names = list(next(iter(splits.values()))[what])
    for column in ("split", "clips", *names):
        table.add_column(column, justify="right")
    for split, each in splits.items():
        values = (f"{value:.3g}" for value in each[what].values())
        table.add_row(split, str(each["clips"]), *values)
    return table
