"""Run `tempo clean`: show what can be deleted from the disk, delete it on `--yes`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator

from tempo.cli import shared_options as shared
from tempo.launch.cleanup import RemovableItem
from tempo.workflow.disk.cleaning import KINDS, clean
from tempo.workflow.disk.keeping import size_text

EPILOG = """examples:
  tempo clean                    what could go, and how much it takes; deletes nothing
  tempo clean --yes              delete it, but for what a report cites
  tempo clean --only checkpoints --yes
  tempo clean --only galleries   pictures that a `keep:` policy lets go
  tempo clean --cited --yes      delete cited runs as well: their reports cannot be made again
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show what can be deleted, with sizes; delete it only when told to."
    parser.epilog = EPILOG
    parser.add_argument("--yes", action="store_true", help="delete what is listed")
    parser.add_argument(
        "--only", action="append", choices=KINDS, help="this kind alone; may be given several times"
    )
    parser.add_argument(
        "--cited", action="store_true", help="runs that a report cites as well, for good"
    )
    shared.add_reports(parser)
    shared.add_cache(parser)
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    cleaning = clean(
        options.records,
        reports=options.reports,
        cache=options.cache,
        only=options.only or (),
        cited=options.cited,
        delete=options.yes,
    )
    for kind, why in sorted(cleaning.in_use.items()):
        print(f"keep   {kind}: {why}")
    for line in _list(cleaning.items):
        print(line)
    for each in cleaning.cited:
        print(
            f"keep   {size_text(each.bytes):>10}  {each.path}  (cited by {each.cited_by}; --cited)"
        )
    total = size_text(cleaning.bytes)
    if cleaning.deleted:
        print(f"deleted {total}")
    else:
        print(f"{total} can go; nothing was deleted, `tempo clean --yes` does it")
    return 0


def _list(found: Iterable[RemovableItem]) -> Iterator[str]:
    """Yield runs and caches one by one, the files of complete runs summed up by kind."""
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for each in found:
        sums[each.kind] += each.bytes
        counts[each.kind] += 1
        if each.kind in {"runs", "caches", "drafts"} and each.path.is_dir():
            yield f"delete {size_text(each.bytes):>10}  {each.path}"
    for kind, meaning in KINDS.items():
        if counts[kind]:
            yield f"{kind:11} {size_text(sums[kind]):>10}  {counts[kind]} x: {meaning}"
