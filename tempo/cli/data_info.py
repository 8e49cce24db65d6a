"""`tempo data info`: how large a data set is, how far things move, and what it looks like."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tempo.cli.data_prepare import facts_of_split, prepared, say, show_notes, splits_table, tell
from tempo.cli.progress import advancing
from tempo.spec.options import Options

if TYPE_CHECKING:
    from tempo.cli.data import Wanted
    from tempo.data.cache.splits import Split
    from tempo.data.clip_statistics import Clips, Measured
    from tempo.data.clips import Clip

ROWS = 12
"""Clips of a contact sheet, from the slowest to the fastest of those measured."""


def describe_all(wanted: Wanted, options: argparse.Namespace) -> int:
    """Describe every data set, and draw a sheet of each split."""
    bar = Console(stderr=True, highlight=False)
    told = [
        *(_training(each, options, bar) for each in wanted.training),
        *(_test_set(name, options, bar) for name in wanted.tests),
    ]
    tell(told, _show, as_json=options.json)
    return 0


def _training(data: Options, options: argparse.Namespace, bar: Console) -> Any:
    from tempo.data.cache.cache_builder import cores

    splits = prepared(data, options.cache, options.jobs or cores(), bar)
    chosen = {n: s for n, s in splits.items() if not options.split or n in options.split}
    return {
        "name": data.kind,
        "splits": {n: facts_of_split(s) | _sources(s) for n, s in chosen.items()},
        "motion": {n: _looked_at(s, f"{data.kind}-{n}", options, bar) for n, s in chosen.items()},
    }


def _sources(split: Split) -> dict[str, Any]:
    from tempo.data.clip_statistics import per_source

    return dict(per_source(split.locate(index)[1].source for index in range(len(split))))


def _test_set(name: str, options: argparse.Namespace, bar: Console) -> Any:
    from tempo.data.clip_statistics import per_source
    from tempo.data.testsets import open_test_set

    clips = open_test_set(name, options.root)
    facts = clips.facts
    return {
        "name": name,
        "title": facts.title,
        "reference": facts.reference,
        "clips": len(clips),
        "published": clips.expected,
        "protocol": clips.protocol,
        "notes": list(clips.notes),
        **per_source(item.source for item in clips.items),
        "motion": {"test": _looked_at(clips, name, options, bar)},
    }


def _looked_at(clips: Clips, name: str, options: argparse.Namespace, bar: Console) -> Any:
    """Motion and occlusion of a sample, and where its contact sheet is."""
    from tempo.data.clip_statistics import measure_clips, quantiles, spread

    chosen = spread(len(clips), options.sample)
    seen: list[Measured] = []
    with advancing(bar, f"looking at {name}", "clips") as advance:
        for each in measure_clips(clips, chosen, _estimate):
            seen.append(each)
            advance(len(seen), len(chosen))
    return {
        "clips": len(seen),
        "estimated": any(each.estimated for each in seen),
        "motion": quantiles([each.motion for each in seen]),
        "occlusion": quantiles([each.occlusion for each in seen]),
        "sheet": str(_sheet(clips, seen, name, options)),
    }


def _estimate(clip: Clip) -> tuple[float, float]:
    """Motion and occlusion as evaluations estimate them: optical flow to the frames around."""
    from tempo.metrics.motion import estimate_motion
    from tempo.train.evaluation.temporal_sequences import picture, surrounding

    before, after = surrounding(clip)
    ends = picture(clip.frames[before]), picture(clip.frames[after])
    found = estimate_motion(ends[0], picture(clip.target), ends[1])
    return (found.motion, found.occlusion) if found else (float("nan"), float("nan"))


def _sheet(clips: Clips, seen: Sequence[Measured], name: str, options: argparse.Namespace) -> Path:
    from tempo.data.video_io.contact_sheet import draw_sheet, save_sheet

    path: Path = options.sheet or options.cache / "sheets" / f"{name}.png"
    if options.sheet and len(options.split) != 1:
        path = path.with_name(f"{path.stem}-{name}{path.suffix or '.png'}")
    slowest_first = sorted(seen, key=lambda each: each.motion)
    count = min(ROWS, len(seen))
    last = (len(seen) - 1) / max(1, count - 1)
    rows = [slowest_first[round(place * last)] for place in range(count)]
    about = [
        f"{each.id}    motion {each.motion:.1f} px, hidden {each.occlusion:.1%}" for each in rows
    ]
    pictures = [(clips[each.index], text) for each, text in zip(rows, about, strict=True)]
    save_sheet(path, draw_sheet(pictures, f"{name}: {len(clips)} clips"))
    return path


def _show(told: Mapping[str, Any], console: Console) -> None:
    if "splits" in told:
        console.print(splits_table(told["name"], told["splits"]))
        for name, each in told["splits"].items():
            say(console, f"{name}: {_clips_of_a_source(each)}")
            show_notes(each["notes"], console)
    else:
        published = "" if told["published"] is None else f" of {told['published']} published"
        say(console, f"{told['title']}: {told['clips']} clips{published} ({told['reference']})")
        say(console, _clips_of_a_source(told))
        for key, value in told["protocol"].items():
            say(console, f"  {key}: {value}")
        show_notes(told["notes"], console)
    for what, unit in (("motion", "pixels between the outer frames"), ("occlusion", "share")):
        console.print(_quantiles(told["motion"], what, unit))
    for name, each in told["motion"].items():
        say(console, f"{name}: contact sheet {each['sheet']}")


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
