"""Run `tempo disk`: what records, reports and caches take, by kind of file, study and run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console, say
from tempo.core.counted import counted
from tempo.core.errors import RecordError
from tempo.records.disk.usage import KINDS, RUN_KINDS, RecordsUse
from tempo.records.layout import Store
from tempo.workflow.disk.disk_use import DiskUse, disk_use
from tempo.workflow.disk.keeping import size_text
from tempo.workflow.suggestions import suggested

EPILOG = """examples:
  tempo disk                     by kind of file, then by study, largest first
  tempo disk se_dilation         the runs of a study, largest first
  tempo disk --json | jq .bytes
"""

MOST = 20
"""Runs or studies that are listed unless all are asked for."""

NAME_WIDTH = 26
LEAST_ROOM = 20
"""Characters in a line of what a kind of file is, however narrow the terminal."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show what takes space: kinds of files, studies, runs, and what `keep:` policies let go. "
        "Changes nothing."
    )
    parser.epilog = EPILOG
    parser.add_argument("study", nargs="?", metavar="STUDY", help="list the runs of this study")
    parser.add_argument("--all", action="store_true", help=f"list more than {MOST} lines as well")
    parser.add_argument("--json", action="store_true", help="print it as JSON, in bytes")
    shared.add_reports(parser)
    shared.add_cache(parser)
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    use = disk_use(options.records, reports=options.reports, cache=options.cache)
    console = make_console()
    if options.study is not None:
        _check_study(options.study, use)
    if options.json:
        print(json.dumps(as_json(use, options.study), indent=2))
    else:
        most = None if options.all else MOST
        whole = options.study is None
        lines = _whole(use, options, most, console.width) if whole else _runs(use, options, most)
        for line in lines:
            say(console, line)
    for problem in use.expired.problems:
        say(make_console(stderr=True), f"warning: {problem}")
    return 0


def _check_study(study: str, use: DiskUse) -> None:
    if study not in use.records.studies:
        # Says what there is, and where.
        Store(use.root).load_plan(study)
        raise RecordError(f"no plan of {study!r} in {use.root} can be read")


def _whole(
    use: DiskUse, options: argparse.Namespace, most: int | None, width: int
) -> Iterator[str]:
    records = use.records
    total = sum(records.bytes.values())
    yield f"{_in(total)}  {options.records} (records; {size_text(use.free)} are free on this disk)"
    for kind, size in sorted(records.bytes.items(), key=lambda item: -item[1]):
        if records.files[kind]:
            files = counted(records.files[kind], "file")
            head = f"  {_in(size)}  {kind:<12}{files:>11}  "
            # What does not fit beside the sizes goes on below.
            room = max(width - len(head), LEAST_ROOM)
            yield head + f"\n{' ' * len(head)}".join(wrap(KINDS[kind], room))
    yield f"{_in(use.cache)}  {options.cache} (prepared data)"
    yield f"{_in(use.reports)}  {options.reports} (reports)"
    rows = [(study, ids) for study, ids in records.studies.items()]
    rows.sort(key=lambda row: (-_size(records, row[1]), row[0]))
    if records.unplanned:
        rows.append(("(in no plan)", records.unplanned))
    if rows:
        yield ""
        yield from _table("study", [(name, len(ids), ids) for name, ids in rows], records, most)
    if len(records.studies) > 1 and _shared(records):
        yield "A run that several studies share counts for each of them."
    yield from _policies(use, options)


def _runs(use: DiskUse, options: argparse.Namespace, most: int | None) -> Iterator[str]:
    records = use.records
    named = _titles(options.study, options.records)
    ids = sorted(records.studies[options.study], key=lambda each: -_size(records, [each]))
    rows = [(named.get(each, each), None, [each]) for each in ids]
    yield from _table("run", rows, records, most)
    yield from _policies(use, options, set(ids))


def _titles(study: str, root: Path) -> dict[str, str]:
    """Return how people call the runs of a study's current plan."""
    try:
        plan = Store(root).load_plan(study)
    except RecordError:
        return {}
    return {run.run_id: run.title for run in (*plan.evaluations, *plan.distinct_runs)}


def _table(
    head: str,
    rows: Sequence[tuple[str, int | None, Iterable[str]]],
    records: RecordsUse,
    most: int | None,
) -> Iterator[str]:
    counts = any(count is not None for _, count, _ in rows)
    of = f"{'runs':>6}" if counts else " " * 6
    yield f"{head:<{NAME_WIDTH}}{of} {'checkpoints':>12}{'galleries':>11}{'rest':>11}{'all':>11}"
    for name, count, runs in rows[:most]:
        ids = list(runs)
        whole, points, pictures = (
            _size(records, ids, kinds) for kinds in (None, ["checkpoints"], ["galleries"])
        )
        short = name if len(name) < NAME_WIDTH else f"{name[: NAME_WIDTH - 4]}..."
        number = f"{count:>6}" if count is not None else " " * 6
        sizes = (points, pictures, whole - points - pictures, whole)
        told = "".join(f"{size_text(size):>11}" for size in sizes)
        yield f"{short:<{NAME_WIDTH}}{number}  {told}"
    if most is not None and len(rows) > most:
        yield f"... and {len(rows) - most} more; --all lists them"


def _policies(
    use: DiskUse, options: argparse.Namespace, runs: set[str] | None = None
) -> Iterator[str]:
    """Say what the policies let go, and of what only the rest is left."""
    expired = [each for each in use.expired.expired if runs is None or each.run_id in runs]
    if not expired:
        return
    size = size_text(sum(each.bytes for each in expired))
    yield ""
    yield f"The keep policies let {size} go, of {counted(len({e.run_id for e in expired}), 'run')}:"
    yield f"  {suggested('clean', records=options.records)}"


def _size(records: RecordsUse, runs: Iterable[str], kinds: Iterable[str] | None = None) -> int:
    wanted = RUN_KINDS if kinds is None else kinds
    return sum(records.runs[run].get(kind, 0) for run in runs for kind in wanted)


def _shared(records: RecordsUse) -> bool:
    counted_runs = sum(len(ids) for ids in records.studies.values())
    return counted_runs > len(frozenset().union(*records.studies.values()))


def _in(size: int) -> str:
    return f"{size_text(size):>10}"


def as_json(use: DiskUse, study: str | None = None) -> dict[str, Any]:
    """What is shown, in bytes: of everything, or of the runs of a study."""
    records = use.records
    runs = None if study is None else records.studies[study]
    expired = [each for each in use.expired.expired if runs is None or each.run_id in runs]
    found: dict[str, Any] = {"records": str(use.root), "free": use.free}
    if runs is None:
        found |= {
            "bytes": use.bytes,
            "kinds": dict(records.bytes),
            "files": dict(records.files),
            "cache": use.cache,
            "reports": use.reports,
            "studies": {
                name: {"runs": len(ids), "bytes": _size(records, ids)}
                for name, ids in records.studies.items()
            },
            "in_no_plan": sorted(records.unplanned),
        }
    else:
        found |= {
            "study": study,
            "bytes": _size(records, runs),
            "runs": {run: dict(records.runs[run]) for run in sorted(runs)},
        }
    return found | {
        "expired": [
            {
                "run_id": each.run_id,
                "kind": each.kind,
                "path": str(each.path),
                "bytes": each.bytes,
                "policy": each.policy,
            }
            for each in expired
        ]
    }
