"""A run that a search pruned is called pruned wherever it is shown, and its end is said once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tempo.cli.render.live import Changes, counts
from tempo.comparison.loading.load_runs import load_runs
from tempo.comparison.query import Query
from tempo.comparison.sections.provenance import failures
from tempo.core.records import RunStatus
from tempo.launch.scheduling.run_view import RunRequest, RunView
from tempo.launch.study_status import study_status
from tempo.ledger.open import open_ledger
from tempo.records.event_log import Tail
from tempo.records.layout import Store
from tempo.tuning.plans import GrowingPlan
from tempo.tuning.session import Search
from tempo.tuning.trials import Trial
from tempo.workflow.execution.search_execution import SearchDriver

from . import simulate

PRUNES = simulate.SPEC.replace("pruner: none", "pruner: {kind: median, startup: 1}")


class FakePool:
    """Holds the views of runs; what is stopped leaves with a checkpoint."""

    def __init__(self, store: Store) -> None:
        self.store, self.stopping, self.busy = store, False, False
        self.views: dict[str, RunView] = {}
        self.stopped: list[str] = []
        self.ended: list[RunView] = []

    def add(self, works: list[RunRequest]) -> None:
        for work in works:
            tail = Tail(self.store.run_dir(work.run.run_id))
            self.views[work.run.run_id] = RunView(
                request=work, tail=tail, status=RunStatus.RUNNING, position=0, replicate=0
            )

    def complete(self, key: str) -> None:
        self.views[key].status = RunStatus.COMPLETE
        self.ended.append(self.views[key])

    def step(self) -> list[RunView]:
        ended, self.ended = self.ended, []
        return ended

    def stop(self, keys: list[str]) -> None:
        self.stopped += keys
        for key in keys:
            self.views[key].withdrawn, self.views[key].status = True, RunStatus.STOPPED


@pytest.fixture
def pruned(tmp_path: Path) -> Iterator[tuple[Search, FakePool, str]]:
    """(search, pool, run id) of a search that has just pruned its only running trial."""
    loaded = simulate.load(tmp_path, ["search.budget.trials=30", "search.race=null"], PRUNES)
    said: list[str] = []
    with simulate.open_search(loaded, tmp_path / "records") as search:
        pool = FakePool(search.store)
        driver = SearchDriver(search, pool, 1, said.append, lambda: None)  # type: ignore[arg-type]
        runs = simulate.Runs(search.store)
        while not pool.stopped:
            driver.step()
            trial: Trial = driver._active[0]
            for step in simulate.STEPS:
                runs.carry_out(trial, trial.first_seed, upto=step)
                if step < simulate.STEPS[-1]:
                    driver.step()
                if pool.stopped:
                    break
            else:
                pool.complete(trial.runs[trial.first_seed].run_id)
        (run_id,) = pool.stopped
        assert said == [f"pruned    {trial.name} at step {max(trial.steps)}"]
        yield search, pool, run_id


Pruned = tuple[Search, FakePool, str]


def test_status_says_pruned_and_the_run_counts_as_ended(pruned: Pruned) -> None:
    search, _, run_id = pruned
    plan = GrowingPlan(search).now()
    with closing(open_ledger(None, search.store.root)) as ledger:
        runs = {each.run.run_id: each for each in study_status(plan, search.store, ledger).runs}
    assert (runs[run_id].state, runs[run_id].ended) == ("pruned", True)
    others = {each.state for key, each in runs.items() if key != run_id}
    assert others == {"complete", "planned"}, "the next trial has just been proposed"


def test_reports_say_pruned_and_why(pruned: Pruned) -> None:
    search, _, run_id = pruned
    found = failures(load_runs(search.store, GrowingPlan(search).now(), Query()))
    assert [(each.run_id, each.status) for each in found] == [(run_id, "pruned")]
    assert found[0].message.startswith("its search found that it is not worth finishing")


def test_the_terminal_says_nothing_after_pruned(pruned: Pruned) -> None:
    _, pool, run_id = pruned
    view, changes = pool.views[run_id], Changes()
    assert changes.since([view]) == [], "neither started nor stopped follows"
    assert "1 pruned" in counts([view])
    other = replace(view, pruned=False)
    assert Changes().since([other]) == [f"stopped   {view.run.title} at step {view.progress.step}"]


def test_a_pruned_run_that_goes_on_is_not_pruned_any_more(pruned: Pruned) -> None:
    search, _, run_id = pruned
    search.mark([run_id], pruned=False)
    plan = GrowingPlan(search).now()
    with closing(open_ledger(None, search.store.root)) as ledger:
        states = {
            each.run.run_id: each.state for each in study_status(plan, search.store, ledger).runs
        }
    assert states[run_id] == "stopped"
