"""Write the page that fits a comparison: of a study, a search, two studies, a small example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.core.errors import RecordError
from tempo.core.identity import file_name
from tempo.core.records import Plan
from tempo.records.layout import Store
from tempo.records.memory.derived_values import remembering
from tempo.records.search_record import SearchSummary, load_search, search_dir
from tempo.records.verdict_log import By
from tempo.spec.verdict import rule_of

if TYPE_CHECKING:
    from tempo.comparison.comparison import Comparison
    from tempo.comparison.study_changes import Changes

EXAMPLE = 1_000_000
"""Bytes that the page of an example stays under."""


def write_study_report(
    store: Store, plan: Plan, reports: Path, by: By = "report"
) -> tuple[Comparison, Path]:
    """Compare what is recorded of a plan and write the report; the comparison and the page.

    That is a look at the verdicts, and recorded as one of `by`.
    """
    from tempo.comparison.build import compare
    from tempo.workflow.verdicts import record_look

    with remembering(store.root):
        comparison = record_look(store, plan, compare(store, plan), by)
    return comparison, write_page(comparison, (), reports)


def write_page(comparison: Comparison, chosen: Sequence[tuple[Store, Plan]], reports: Path) -> Path:
    """Write the report of a comparison: of the search where the one study chosen is a search.

    The report on a further test set lies in a folder of its own beside that of the study.
    """
    from tempo.report.document import write_report

    whole = len(chosen) == 1 and comparison.test_set is None
    search = find_search(*chosen[0]) if whole else None
    if search is not None:
        return write_search_page(chosen[0][0], search, reports)
    on = "" if comparison.test_set is None else f"_on_{comparison.test_set}"
    return write_report(comparison, reports / file_name(f"{comparison.study}{on}"))


def write_example(comparison: Comparison, folder: Path) -> Path:
    """Write a report small enough to be kept in a repository; returns the page."""
    from tempo.report.document import write_report

    # Runs are named by their place in the records, not by folders of this machine.
    small = replace(
        comparison,
        runs=tuple(replace(run, folder=Path("runs", run.run_id)) for run in comparison.runs),
        failures=tuple(
            replace(each, folder=Path("runs", each.run_id), log=None)
            for each in comparison.failures
        ),
    )
    return write_report(small, folder, formats=("png",), limit=EXAMPLE)


def find_search(store: Store, plan: Plan) -> SearchSummary | None:
    """The search that `plan` is the growing plan of, once there is a summary of it."""
    profile = plan.profile_name
    there = (search_dir(store, plan.study) / profile / "summary.json").is_file()
    return load_search(store, plan.study, profile) if there else None


def write_search_page(store: Store, summary: SearchSummary, reports: Path) -> Path:
    """Write the page of a search, with what its confirmed trials do on the test split."""
    from tempo.report.pages.search_page import write_search_report

    folder = reports / file_name(summary.study)
    return write_search_report(summary, folder, _confirmed(store, summary))


def _confirmed(store: Store, summary: SearchSummary) -> Comparison | None:
    """The trials that were run again, as a study compared with the first baseline."""
    from tempo.comparison.build import compare
    from tempo.comparison.registered_rule import RegisteredRule
    from tempo.workflow.confirmation import confirmed_plan

    if not any(each.fresh is not None for each in summary.confirmed):
        return None
    small = confirmed_plan(store.load_plan(summary.study, summary.profile), summary)
    if small is None:
        return None
    # The fresh seeds chose nothing, so the rule holds for them, and nobody looked before.
    return compare(store, small, registered=RegisteredRule(rule_of(small)))


def write_changes_page(
    changes: Changes, plans: tuple[Plan, Plan], reports: Path, *, command: str
) -> Path:
    """Write the page of two studies (before, after); `command` is what makes the page again."""
    from tempo.report.pages.changes_page import write_changes_report

    before, after = (file_name(plan.study) for plan in plans)
    return write_changes_report(changes, reports / f"{after}_against_{before}", command=command)


def changes_as_text(changes: Changes, form: str) -> str:
    """What changed, as `md`, `csv`, `latex` or `json`.

    Raises:
        RecordError: the studies share no variant.
    """
    from tempo.report.formats.table import NotApplicable
    from tempo.report.formats.writers import WRITERS, json_text
    from tempo.report.tables.changes import changed

    if form == "json":
        return json_text(changes)
    table = changed(changes)
    if isinstance(table, NotApplicable):
        raise RecordError(f"{changes.before} and {changes.after}: {table.reason}")
    return WRITERS[form](table)
