"""Run `tempo clean`: show what can be deleted from the disk, delete it on `--yes`."""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing

from tempo.cli import shared_options as shared
from tempo.launch.cleanup import RemovableItem, find_removable
from tempo.ledger.folder_use import unused
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store

EPILOG = """examples:
  tempo clean                    what could go, and how much it takes; deletes nothing
  tempo clean --yes              delete it, but for what a report cites
  tempo clean --only checkpoints --yes
  tempo clean --cited --yes      delete cited runs as well: their reports cannot be made again
"""

KINDS = {
    "checkpoints": "checkpoints of complete runs that their results were not made with",
    "logs": "output of the workers of complete runs",
    "caches": "prepared data: it is built again when a run needs it",
    "runs": "runs that no plan mentions any more",
}


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
    store = Store(options.records)
    with unused(store.root) as records_free, unused(options.cache) as cache_free:
        kept_for = _in_use(options, records_free=records_free, cache_free=cache_free)
        with closing(open_ledger(None, store.root)) as ledger:
            found = find_removable(store, ledger, options.cache, options.reports)
        chosen = [each for each in found if not options.only or each.kind in options.only]
        for kind in sorted({each.kind for each in chosen} & set(kept_for)):
            print(f"keep   {kind}: {kept_for[kind]}")
        chosen = [each for each in chosen if each.kind not in kept_for]
        return _clean(chosen, cited=options.cited, delete=options.yes)


def _in_use(options: argparse.Namespace, *, records_free: bool, cache_free: bool) -> dict[str, str]:
    """Return why a kind is left alone: a study that begins has not written down what it needs."""
    kept: dict[str, str] = {}
    if not records_free:
        kept["runs"] = f"a process uses {options.records} now; clean again when it has ended"
    if not cache_free:
        kept["caches"] = f"a process uses {options.cache} now; clean again when it has ended"
    return kept


def _clean(chosen: Sequence[RemovableItem], *, cited: bool, delete: bool) -> int:
    """Print what can go, and delete it if told to."""
    kept = [each for each in chosen if each.cited_by and not cited]
    going = [each for each in chosen if each not in kept]
    for line in _list(going):
        print(line)
    for each in kept:
        print(f"keep   {size(each.bytes):>10}  {each.path}  (cited by {each.cited_by}; --cited)")
    total = size(sum(each.bytes for each in going))
    if not delete:
        print(f"{total} can go; nothing was deleted, `tempo clean --yes` does it")
        return 0
    for each in going:
        # A link is removed, never what it points at.
        if each.path.is_dir() and not each.path.is_symlink():
            shutil.rmtree(each.path)
        else:
            each.path.unlink(missing_ok=True)
    print(f"deleted {total}")
    return 0


def _list(found: Sequence[RemovableItem]) -> Iterable[str]:
    """Runs and caches one by one, the files of complete runs summed up by kind."""
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for each in found:
        sums[each.kind] += each.bytes
        counts[each.kind] += 1
        if each.path.is_dir():
            yield f"delete {size(each.bytes):>10}  {each.path}"
    for kind, meaning in KINDS.items():
        if counts[kind]:
            yield f"{kind:11} {size(sums[kind]):>10}  {counts[kind]} x: {meaning}"


def size(count: int) -> str:
    """Bytes as people read them: `1.2 GiB`."""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"
