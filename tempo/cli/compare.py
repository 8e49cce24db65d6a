"""`tempo compare`: table, figures and page from recorded results, offline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tempo.cli import options as shared
from tempo.cli.console import make_console
from tempo.core.errors import RecordError
from tempo.core.records import Plan
from tempo.records.layout import Store

if TYPE_CHECKING:
    from tempo.compare.comparison import Comparison

EPILOG = """examples:
  python compare.py se_dilation                  the study's last plan, from ./records
  python compare.py se_dilation --profile demo   the plan of one profile
  python compare.py path/to/records              the only study in a folder of records
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Rebuild table, figures and page from records, offline and without torch."
    parser.epilog = EPILOG
    parser.add_argument("study", metavar="STUDY", help="a study's name, or a folder of records")
    parser.add_argument("--profile", help="which plan of the study (default: the last one run)")
    shared.add_records(parser)
    parser.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR")
    parser.add_argument("--no-report", action="store_true", help="print the table only")
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    store, study = find(options.study, options.records)
    plan = store.load_plan(study, options.profile)
    console = make_console()
    if options.no_report:
        from tempo.compare.build import compare

        show(compare(store, plan), console)
        return 0
    page = report(store, plan, options.reports, console)
    console.print(f"Report:  {page}", markup=False, highlight=False, soft_wrap=True)
    return 0


def find(name: str, records: Path) -> tuple[Store, str]:
    """The store and study that `name` means: a study in `records`, or a folder.

    A folder may be a store (then it must hold one study alone) or a study's own folder in it.

    Raises:
        RecordError: naming what is there instead.
    """
    store = Store(records)
    if name in store.studies():
        return store, name
    folder = Path(name)
    if (folder / "plans").is_dir():
        return Store(folder.parent.parent), folder.name
    if (folder / "studies").is_dir():
        inside = Store(folder).studies()
        if len(inside) == 1:
            return Store(folder), inside[0]
        raise RecordError(f"{folder} holds {len(inside)} studies; name one: {', '.join(inside)}")
    known = ", ".join(store.studies()) or "none"
    raise RecordError(f"no study and no folder of records {name!r} (studies in {records}: {known})")


def show(comparison: Comparison, console: Console) -> None:
    """Print the results table."""
    from tempo.compare.render.terminal import terminal

    console.print(terminal(comparison), soft_wrap=True)


def report(store: Store, plan: Plan, reports: Path, console: Console) -> Path:
    """Compare what is recorded, print the table, write the report; returns the page."""
    from tempo.compare.build import compare
    from tempo.report.document import write_report

    comparison = compare(store, plan)
    show(comparison, console)
    return write_report(comparison, reports / plan.study)
