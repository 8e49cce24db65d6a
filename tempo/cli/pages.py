"""Which page a comparison gets: of a study, of a search, of two studies, or a small example."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tempo.core.records import Plan
from tempo.records.layout import Store
from tempo.records.search_record import SearchSummary, load_search, search_dir

if TYPE_CHECKING:
    from tempo.compare.comparison import Comparison
    from tempo.compare.study_changes import Changes

EXAMPLE = 1_000_000
"""Bytes that the page of an example stays under."""


def write_example(comparison: Comparison, folder: Path) -> Path:
    """A report small enough to be kept in a repository; returns the page."""
    from tempo.report.document import write_report

    return write_report(_anywhere(comparison), folder, formats=("png",), limit=EXAMPLE)


def _anywhere(comparison: Comparison) -> Comparison:
    """The comparison without the folders of this machine: runs by their place in the records."""
    return replace(
        comparison,
        runs=tuple(replace(run, folder=Path("runs", run.run_id)) for run in comparison.runs),
        failures=tuple(
            replace(each, folder=Path("runs", each.run_id), log=None)
            for each in comparison.failures
        ),
    )


def find_search(store: Store, plan: Plan) -> SearchSummary | None:
    """The search that `plan` is the growing plan of, once there is a summary of it."""
    profile = plan.profile_name
    there = (search_dir(store, plan.study) / profile / "summary.json").is_file()
    return load_search(store, plan.study, profile) if there else None


def write_search_page(store: Store, summary: SearchSummary, reports: Path) -> Path:
    """The page of a search, with what its confirmed trials do on the test split."""
    from tempo.compare.loading.file_names import file_name
    from tempo.report.pages.search_page import write_search_report

    folder = reports / file_name(summary.study)
    return write_search_report(summary, folder, _confirmed(store, summary))


def _confirmed(store: Store, summary: SearchSummary) -> Comparison | None:
    """The trials that were run again, as a study; the first baseline is what it compares with."""
    from tempo.compare.build import compare

    done = [each for each in summary.confirmed if each.fresh is not None]
    if not done:
        return None
    plan = store.load_plan(summary.study, summary.profile)
    names = {each.variant for each in done}
    names |= {each.name for each in plan.variants if each.role == "reference"}
    small = replace(
        plan,
        baseline=next((each.variant for each in done if each.role == "baseline"), None),
        variants=tuple(each for each in plan.variants if each.name in names),
        runs=tuple(each for each in plan.runs if each.variant in names),
    )
    return compare(store, small)


def write_changes_page(changes: Changes, folders: tuple[Plan, Plan], reports: Path) -> Path:
    """The page of two studies (before, after)."""
    import shlex
    import sys

    from tempo.compare.loading.file_names import file_name
    from tempo.report.pages.changes_page import write_changes_report

    before, after = (file_name(plan.study) for plan in folders)
    command = shlex.join(["python", "compare.py", *sys.argv[1:]])
    return write_changes_report(changes, reports / f"{after}_against_{before}", command=command)


def print_changes(changes: Changes, form: str) -> None:
    """What changed, as `md`, `csv`, `latex` or `json` on standard output."""
    from tempo.core.errors import RecordError
    from tempo.report.applicability import NotApplicable
    from tempo.report.formats import WRITERS
    from tempo.report.formats.csv_json import json_text
    from tempo.report.tables.changes import changed

    if form == "json":
        print(json_text(changes), end="")
        return
    table = changed(changes)
    if isinstance(table, NotApplicable):
        raise RecordError(f"{changes.before} and {changes.after}: {table.reason}")
    print(WRITERS[form](table), end="")


def write_page(
    comparison: Comparison, chosen: list[tuple[Store, Plan]], reports: Path, console: Console
) -> Path:
    """Print the table and write the page: of the search where the one study chosen is one."""
    from tempo.cli.compare import publish, show

    search = find_search(*chosen[0]) if len(chosen) == 1 else None
    if search is None:
        return publish(comparison, reports, console)
    show(comparison, console)
    return write_search_page(chosen[0][0], search, reports)
