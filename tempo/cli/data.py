"""Run `tempo data`: prepare data sets and describe them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console, say
from tempo.cli.render.live import make_observer
from tempo.core.counted import listed_up_to

EPILOG = """examples:
  tempo data prepare vimeo90k --root /data/vimeo_triplet
  tempo data prepare experiments/tempo_v3.yaml
  tempo data prepare snu_film --root /data/snu_film
  tempo data info video --root clips --set size=[256,448]
  tempo data info x_test --sample 20

A name is a kind of training data (procedural, video, frames, vimeo90k, vimeo90k_septuplet,
x4k1000fps) or a test set (ucf101, middlebury, snu_film, xiph, x_test, x_test_2k, davis).
"""

SHOWN = 20
"""Notes that are printed; --json has them all."""

MOST_SOURCES = 12
"""Sources whose correction is printed; --json has them all."""

LITTLE = 0.005
"""Share of averaging's loss. Of the training data measured (docs/data.md), networks stayed at
averaging on those at 0.18 % and less, and left it on those at 1.2 % and more."""

PREPARE = """Check lists and files, and build the cache of decoded pictures that training reads.
Shards that are whole stay; an interrupted build goes on where it stopped. Clips that cannot be read
are listed, and tried again by the next call. A test set has no cache: its pictures are all read
once, so that no evaluation meets a broken one."""

INFO = """Say how large a data set is, where its clips come from and how far things move in them,
and draw a contact sheet."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Prepare data sets, and look at them."
    parser.epilog = EPILOG
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text, add, handler in (
        ("prepare", PREPARE, None, _prepare),
        ("info", INFO, _add_info, _info),
    ):
        one = commands.add_parser(
            name,
            help=text.partition(".")[0],
            description=text,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_common(one)
        if add:
            add(one)
        one.set_defaults(handler=handler, continues=True)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="NAME|SPEC", help="a data set's name, or a YAML file")
    parser.add_argument("--root", metavar="DIR", help="where the data set's files are")
    parser.add_argument("--profile", help="with a spec: overlay one of its profiles")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="an option of the data set, or a value of the spec, as YAML",
    )
    shared.add_cache(parser)
    parser.add_argument(
        "--jobs", type=shared.positive, help="cores to use (default: all that are available)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", action="append", choices=("train", "val", "test"), default=[])
    parser.add_argument(
        "--sample",
        type=shared.positive,
        default=100,
        metavar="N",
        help="clips of each split whose motion is measured (default: %(default)s)",
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="default: in the cache, named by the data set"
    )


def _prepare(options: argparse.Namespace) -> int:
    """Prepare every data set; 1 when a test set is not as published."""
    from tempo.workflow.datasets import prepare_data

    told = prepare_data(options.what, **_asked(options))
    _tell(told, options, _show_prepared)
    return 0 if all(each["whole"] for each in told) else 1


def _info(options: argparse.Namespace) -> int:
    """Describe every data set, and draw a sheet of each split."""
    from tempo.workflow.datasets import describe_data

    told = describe_data(
        options.what,
        splits=options.split,
        sample=options.sample,
        sheet=options.sheet,
        **_asked(options),
    )
    _tell(told, options, _show_described)
    return 0


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "overrides": options.overrides,
        "profile": options.profile,
        "observer": make_observer(stderr=True),
        "root": options.root,
        "cache": options.cache,
        "jobs": options.jobs,
    }


def _tell(
    told: Sequence[Any], options: argparse.Namespace, show: Callable[[Any, Console], None]
) -> None:
    """Print what was found: as JSON, or each as `show` does."""
    if options.json:
        print(json.dumps(told if len(told) > 1 else told[0], indent=2))
        return
    console = make_console()
    for each in told:
        show(each, console)


def _show_prepared(told: Mapping[str, Any], console: Console) -> None:
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


def _show_described(told: Mapping[str, Any], console: Console) -> None:
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
    if "shared_correction" in told:
        _show_correction(told["shared_correction"], console)
    for name, each in told["motion"].items():
        say(console, f"{name}: contact sheet {each['sheet']}")


def _show_correction(told: Mapping[str, Any], console: Console) -> None:
    """Print how much of averaging's loss one filter saves, and what little means."""
    sources = sorted(told["sources"].items(), key=lambda item: -item[1])
    each = listed_up_to(MOST_SOURCES, [f"{name} {share:.1%}" for name, share in sources])
    say(
        console,
        f"train: one 5 x 5 filter for all clips saves {told['share']:.2%} of averaging's training "
        f"loss; by source {each}",
    )
    if told["share"] < LITTLE:
        say(
            console,
            f"  That is less than {LITTLE:.1%}: a small network that starts on these clips is "
            "likely to stay at averaging. Let it begin with rendered clips, as "
            "experiments/clips.yaml does (docs/how-to/own_videos.md).",
        )


def _splits_table(kind: str, splits: Mapping[str, Mapping[str, Any]]) -> Table:
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
