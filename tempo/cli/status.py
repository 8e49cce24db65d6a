"""Run `tempo status`: the state of a study's runs, from another terminal or another host."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console, say
from tempo.cli.render.status_table import MANY, StatusTable, headline, troubles
from tempo.core.errors import RecordError
from tempo.core.records import Plan
from tempo.launch.study_status import RunState, StudyStatus, study_status
from tempo.ledger.open import open_ledger
from tempo.ledger.port import Ledger
from tempo.records.layout import Store
from tempo.workflow.names import is_plan, plan_named
from tempo.workflow.suggestions import suggested

EPILOG = """examples:
  tempo status se_dilation                                       the plan that was run last
  tempo status ablations/se_dilation.yaml --profile demo --watch
  tempo status se_dilation --json | jq '.runs[] | select(.state == "failed")'
  tempo status                                                   every study, one line each
"""

REFRESH_SECONDS = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show how each run of a study stands. Reads records, imports no torch."
    parser.epilog = EPILOG
    parser.add_argument("name", nargs="?", metavar="SPEC|STUDY", help="default: all studies")
    parser.add_argument("--profile", help="of the spec, or which plan of the study")
    parser.add_argument("--metric", default="psnr", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--watch", action="store_true", help="refresh until every run has ended")
    parser.add_argument(
        "--all", action="store_true", help=f"list every run, also of more than {MANY}"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON, every run")
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Show one study or all of them; with --watch, until every run has ended."""
    store = Store(options.records)
    with closing(open_ledger(None, store.root)) as ledger:
        view = _View(store, ledger, options)
        if options.json:
            view.print_json()
        elif options.watch:
            view.watch(make_console())
        else:
            view.print(make_console())
    return 0


class _View:
    """What the options ask to see: one study in full, or every study in a line."""

    def __init__(self, store: Store, ledger: Ledger, options: argparse.Namespace) -> None:
        self._store, self._ledger, self._options = store, ledger, options

    def _look(self) -> tuple[list[StudyStatus], str]:
        """Read the state of the study that is named, or of all; and which cannot be read."""
        store, options = self._store, self._options
        if options.name is not None:
            return [self._state_of(plan_named(options.name, store, options.profile))], ""
        read = store.load_plans()
        found, problems = [], dict(read.problems)
        for plan in read.plans:
            try:
                found.append(self._state_of(plan))
            except RecordError as error:
                problems[plan.study] = str(error)
        return found, replace(read, problems=problems).left_out

    def _state_of(self, plan: Plan) -> StudyStatus:
        return study_status(plan, self._store, self._ledger, self._options.metric)

    def _found(self) -> list[StudyStatus]:
        found, left_out = self._look()
        if not found:
            raise RecordError(left_out or f"{self._store.root} holds no study yet")
        if left_out:
            say(make_console(stderr=True), left_out)
        return found

    def print_json(self) -> None:
        found = [as_json(each) for each in self._found()]
        print(json.dumps(found if self._options.name is None else found[0], indent=2))

    def print(self, console: Console) -> None:
        """Print the table of one study and what happened to its runs, or a line a study."""
        found = self._found()
        if self._options.name is None:
            for each in found:
                say(console, headline(each))
            return
        (standing,) = found
        console.print(StatusTable(standing, every=self._options.all))
        for run, sentence in troubles(standing):
            say(console, sentence)
            say(console, f"  {suggested('logs', run.run.run_id, records=self._store.root)}")
        for sentence in standing.rule:
            say(console, sentence)

    def watch(self, console: Console) -> None:
        """Refresh in place in a terminal; elsewhere print a line whenever something changed.

        A study that is not there yet is waited for.
        """
        shown = _Refreshed(console, every=self._options.all)
        with shown:
            while True:
                found = self._awaited(shown)
                shown.show(found)
                if found and all(_over(each) for each in found):
                    return
                time.sleep(REFRESH_SECONDS)

    def _awaited(self, shown: _Refreshed) -> list[StudyStatus]:
        """Return what there is; while there is nothing, say what is waited for."""
        name, root = self._options.name, self._store.root
        what = f"a study {name!r}" if name else "a study"
        while True:
            spec = name is not None and is_plan(name, self._store)
            if spec or (name is None and self._store.studies()):
                return self._look()[0]
            shown.wait(f"Waiting for {what} to begin in {root} (Ctrl-C ends this)")
            time.sleep(REFRESH_SECONDS)


class _Refreshed:
    """The picture of `--watch`: refreshed in place in a terminal, elsewhere line by line."""

    def __init__(self, console: Console, *, every: bool) -> None:
        self._console, self._every = console, every
        self._said: list[str] = []
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def wait(self, sentence: str) -> None:
        """Say what is waited for."""
        self._draw(Text(sentence), [sentence])

    def show(self, found: Sequence[StudyStatus]) -> None:
        """Show a study in full, several in a line each."""
        lines = [headline(each) for each in found]
        if len(found) == 1:
            height = self._console.height
            self._draw(StatusTable(found[0], every=self._every, lines=height), lines)
        else:
            self._draw(Text("\n".join(lines)), lines)

    def _draw(self, picture: RenderableType, lines: list[str]) -> None:
        if self._live is not None:
            self._live.update(picture, refresh=True)
            return
        for line in lines:
            if line not in self._said:
                say(self._console, line)
        self._said = lines


def _over(standing: StudyStatus) -> bool:
    """Return whether every run of a study has ended and no later seed or trial may follow."""
    return all(run.ended for run in standing.runs) and not standing.to_come.runs


def as_json(standing: StudyStatus) -> dict[str, Any]:
    """What the table shows, in seconds and bytes, with null for what is not known."""
    return {
        "study": standing.study,
        "profile": standing.profile,
        "metric": standing.metric,
        "common_step": standing.step,
        "eta_s": standing.eta,
        "stage": standing.to_come.stage or None,
        "runs_to_come_at_most": standing.to_come.runs,
        "rule": list(standing.rule),
        "runs": [_run_json(run) for run in standing.runs],
    }


def _run_json(run: RunState) -> dict[str, Any]:
    progress = run.progress
    finish = progress.finish
    return {
        "run_id": run.run.run_id,
        "variant": run.run.variant,
        "seed": run.run.seed,
        "state": run.state,
        "why": run.why or None,
        "attempt": progress.attempt or None,
        "broken_off": len(progress.lost),
        "lost_attempts": [asdict(each) for each in progress.lost],
        "step": progress.step,
        "checkpoint_step": progress.saved,
        "steps": progress.total or None,
        "value": run.value,
        "value_at_common_step": run.common,
        "eta_s": run.eta,
        "device": run.device or None,
        "memory_bytes": run.memory,
        "where": run.where or None,
        "failure": finish.failure if finish else None,
        "message": finish.message if finish else run.problem or None,
    }
