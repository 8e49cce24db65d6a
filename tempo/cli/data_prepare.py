"""`tempo data prepare`: verify the files, build the cache, say what was found."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tempo.cli.console import make_console
from tempo.cli.progress import advancing
from tempo.core.identity import short_hash
from tempo.records.files import sha256_of
from tempo.spec.options import Options

if TYPE_CHECKING:
    from tempo.cli.data import Wanted
    from tempo.data.cache.splits import Split, SplitName

SHOWN = 20
"""Notes that are printed; --json has them all."""


def prepare_all(wanted: Wanted, options: argparse.Namespace) -> int:
    """Prepare every data set; 1 when a test set is not as published."""
    from tempo.data.cache.cache_builder import cores

    jobs = options.jobs or cores()
    bar = Console(stderr=True, highlight=False)
    told = [
        *(_training(each, options, jobs, bar) for each in wanted.training),
        *(_test_set(name, options, jobs, bar) for name in wanted.tests),
    ]
    tell(told, _show, as_json=options.json)
    return 0 if all(each["whole"] for each in told) else 1


def _training(data: Options, options: argparse.Namespace, jobs: int, bar: Console) -> Any:
    from tempo.data.open_dataset import forget_unreadable, published_lists

    lists = {
        name: {
            "sequences": counted,
            "published": published,
            "sha256": sha256_of(file),
        }
        for name, (file, counted, published) in published_lists(data).items()
    }
    forget_unreadable(data, options.cache)
    splits = prepared(data, options.cache, jobs, bar)
    return {
        "data": data.model_dump(mode="json"),
        "lists": lists,
        "splits": {name: facts_of_split(split) for name, split in splits.items()},
        "whole": True,
    }


def tell(told: list[Any], show: Callable[[Any, Console], None], *, as_json: bool) -> None:
    """Print what was found: as JSON, or each as `show` does."""
    if as_json:
        print(json.dumps(told if len(told) > 1 else told[0], indent=2))
        return
    console = make_console()
    for each in told:
        show(each, console)


def prepared(data: Options, cache: Path, jobs: int, bar: Console) -> Mapping[SplitName, Split]:
    """The splits of a data set, built under a progress bar where the cache has them not yet."""
    from tempo.data.open_dataset import prepare

    with advancing(bar, f"preparing {data.kind}", "clips") as advance:
        return prepare(data, cache, lambda done, total, _: advance(done, total), jobs)


def facts_of_split(split: Split) -> dict[str, Any]:
    """What a split consists of, as JSON values."""
    return {
        "clips": len(split),
        "sizes": sorted({f"{shard.size[1]}x{shard.size[0]}" for shard in split.shards}),
        "pictures": sum(len(shard.pixels) for shard in split.shards),
        "bytes": sum(shard.pixels.nbytes for shard in split.shards),
        "shards": len(split.shards),
        "digest": split.digest,
        "counts": dict(split.counts),
        "skipped": list(split.skipped),
        "notes": list(split.notes),
    }


def _test_set(name: str, options: argparse.Namespace, jobs: int, bar: Console) -> Any:
    from tempo.data.testsets import open_test_set
    from tempo.data.testsets.verification import unreadable

    clips = open_test_set(name, options.root)
    with advancing(bar, f"reading {clips.facts.title}", "pictures") as advance:
        bad = unreadable(clips, jobs, advance)
    return {
        "test_set": name,
        "root": str(clips.root),
        "clips": len(clips),
        "published": clips.expected,
        "protocol": clips.protocol,
        "protocol_hash": short_hash(clips.protocol),
        "notes": [*clips.notes, *bad.values()],
        "whole": not bad and not clips.notes,
    }


def _show(told: Mapping[str, Any], console: Console) -> None:
    if "test_set" in told:
        published = "" if told["published"] is None else f" of {told['published']} published"
        line = f"{told['test_set']}: {told['clips']} clips{published}"
        say(console, f"{line}, protocol {told['protocol_hash']}, read at {told['root']}")
        show_notes(told["notes"], console)
        return
    for name, each in told["lists"].items():
        same = "as published" if each["sequences"] == each["published"] else (
            f"not the {each['published']} that were published")  # fmt: skip
        say(console, f"{name}: {each['sequences']} sequences, {same}, SHA-256 {each['sha256']}")
    console.print(splits_table(told["data"]["kind"], told["splits"]))
    for split in told["splits"].values():
        show_notes(split["notes"], console)


def splits_table(kind: str, splits: Mapping[str, Mapping[str, Any]]) -> Table:
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


def show_notes(notes: list[str], console: Console) -> None:
    """The first notes, and how many more there are."""
    for note in islice(notes, SHOWN):
        say(console, f"  {note}")
    if len(notes) > SHOWN:
        say(console, f"  and {len(notes) - SHOWN} more (--json has them all)")


def say(console: Console, text: str) -> None:
    """A line that is neither wrapped nor taken for markup."""
    console.print(text, markup=False, soft_wrap=True)
