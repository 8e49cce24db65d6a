"""A search without workers: who gets which trial, how trials end, what may change."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from tempo.core.errors import SpecError
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.tuning import proposals
from tempo.tuning.summary import candidates, summarise
from tempo.tuning.trials import REJECTED, by_ticket

from .conftest import Open
from .simulate import SPEC, Runs, finish, noisy, surface, work


def proposed(search: object) -> list[object]:
    return [dict(frozen.params) for frozen in by_ticket(search.trials()).values()]


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "cmaes", "nsga2", "qmc", "grid"])
def test_a_resumed_search_proposes_what_an_undisturbed_one_does(
    open_search: Open, tmp_path: Path, sampler: str
) -> None:
    options = (f"search.sampler={sampler}", "search.race=null")
    with open_search(*options, "study=whole") as search:
        work(search, Runs(search.store))
        whole = proposed(search)
    for _ in range(3):
        with open_search(*options, "study=parts") as search:
            work(search, Runs(search.store), most=4)
    with open_search(*options, "study=parts") as search:
        assert search.finished()
        assert proposed(search) == whole
    assert len(whole) == 12


def test_a_larger_budget_continues_where_the_search_ended(open_search: Open) -> None:
    with open_search() as search:
        assert len(work(search, Runs(search.store))) == 12
    with open_search("search.budget.trials=15") as search:
        assert len(work(search, Runs(search.store))) == 3
        assert search.finished() and search.ask() is None


ORPHAN = """
import os, sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from tests.tuning.simulate import Runs, load, open_search
search = open_search(load(Path(sys.argv[1])), Path(sys.argv[2]))
search.__enter__()
trial = search.ask()
Runs(search.store).carry_out(trial, 0, upto=60)
search.observe(trial)
print(trial.number, trial.runs[0].run_id, flush=True)
os._exit(9)
"""


def test_a_dead_drivers_trial_goes_on_as_the_same_trial(open_search: Open, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-c", ORPHAN, str(tmp_path), str(tmp_path / "records"), str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=root)
    assert done.returncode == 9, done.stderr
    number, run_id = done.stdout.split()
    with open_search() as search:
        runs = Runs(search.store)
        trial = search.ask()
        assert trial is not None
        assert (trial.number, trial.runs[0].run_id) == (int(number), run_id)
        finish(search, trial, runs)
        assert [a.resumed_step for a in read_run(search.store.run_dir(run_id)).attempts][:2] == [
            0,
            60,
        ]
        assert len(work(search, runs)) == 11
        assert [f.state for f in search.trials()] == [TrialState.COMPLETE] * 12


def test_a_slow_driver_keeps_its_trial(open_search: Open) -> None:
    with open_search("search.heartbeat=1") as slow, open_search("search.heartbeat=1") as other:
        mine = slow.ask()
        assert mine is not None
        time.sleep(2.0)
        theirs = other.ask()
        assert theirs is not None and theirs.ticket != mine.ticket
        finish(slow, mine, Runs(slow.store))
        assert [f.state for f in slow.trials() if f.number == mine.number] == [TrialState.COMPLETE]


def test_two_drivers_share_the_budget_exactly(open_search: Open) -> None:
    with open_search() as one, open_search() as other:
        runs = Runs(one.store)
        turn, done = [one, other], 0
        while (trial := turn[done % 2].ask()) is not None:
            finish(turn[done % 2], trial, runs)
            done += 1
        assert done == 12
        assert one.finished() and other.finished()
        assert len(by_ticket(one.trials())) == 12


def test_changing_the_space_says_what_differs_and_what_may_change(open_search: Open) -> None:
    with open_search("seeds=2") as search:
        work(search, Runs(search.store), most=1)
    with pytest.raises(SpecError) as caught:
        open_search("seeds=2", "factors.lr.range.high=0.5", "recipe.budget.steps=120")
    message = str(caught.value)
    for words in ("factors.lr.range.high was 0.1, is 0.5", "budget", "May change: the budget"):
        assert words in message
    with pytest.raises(SpecError, match="seeds can be added, not taken away"):
        open_search("seeds=1")
    open_search("seeds=3", "search.budget.trials=99", "search.sampler=random", "runtime.threads=2")


PRUNES = SPEC.replace("pruner: none", "pruner: {kind: median, startup: 3}\n  enqueue: [{lr: 1e-1}]")


def test_a_trial_below_the_median_is_pruned_and_keeps_its_record(open_search: Open) -> None:
    with open_search("search.budget.trials=30", "search.race=null", text=PRUNES) as search:
        runs = Runs(search.store)
        trials = work(search, runs)
        states = {frozen.number: frozen.state for frozen in search.trials()}
        assert states[trials[0].number] is TrialState.COMPLETE, "an enqueued trial is never pruned"
        pruned = [trial for trial in trials if states[trial.number] is TrialState.PRUNED]
        assert 3 <= len(pruned) <= 27
        whole = [trial for trial in trials if states[trial.number] is TrialState.COMPLETE]
        mean = {t.number: surface(t.params) for t in trials}
        assert sum(mean[t.number] for t in pruned) / len(pruned) < sum(
            mean[t.number] for t in whole
        ) / len(whole)
        summary = summarise(search, over=True)
        record = next(t for t in summary.trials if t.number == pruned[0].number)
        assert record.state == "pruned" and record.curve and not record.values
        folder = search.store.run_dir(record.runs[0].run_id)
        assert 0 < read_run(folder).validations[-1].step < 90


def test_a_promoted_trial_goes_on_from_where_it_was_pruned(open_search: Open) -> None:
    from tempo.tuning.backend.storage import promote

    with open_search("search.budget.trials=20", "search.race=null", text=PRUNES) as search:
        runs = Runs(search.store)
        work(search, runs)
        pruned = next(f for f in search.trials() if f.state is TrialState.PRUNED)
        run_id = pruned.user_attrs["result"]["runs"][0]["run_id"]
        before = read_run(search.store.run_dir(run_id)).step or 30
        promote(search.storage, search.name, [pruned.number])
        (again,) = work(search, runs)
        assert again.origin == "promoted" and again.runs[0].run_id == run_id
        assert read_run(search.store.run_dir(run_id)).attempts[-1].resumed_step >= before
        assert search.trials()[-1].state is TrialState.COMPLETE
        assert search.finished()


def test_a_clear_loser_stops_after_one_seed(open_search: Open) -> None:
    with open_search("seeds=3", "search.budget.trials=25") as search:
        runs = Runs(search.store, lambda params, seed: noisy(params, seed, sd=0.05))
        trials = work(search, runs)
        raced = [trial for trial in trials if len(trial.done) == 1]
        whole = [trial for trial in trials if len(trial.done) == 3]
        assert len(raced) + len(whole) == 25 and len(raced) >= 10
        assert max(surface(t.params) for t in whole) > max(surface(t.params) for t in raced)
        summary = summarise(search, over=True)
        best = summary.trial(summary.best[0])
        assert not best.raced and len(best.runs) == 3
        assert best.values[0] == pytest.approx(
            sum(run.values[0] for run in best.runs) / 3, rel=1e-12
        )


def test_what_breaks_a_constraint_is_never_trained(open_search: Open) -> None:
    def costs(config: dict[str, object], names: list[str]) -> dict[str, float]:
        lr = float(config["recipe"]["lr"])  # stands for a size: larger is heavier
        return {"parameters": 1e9 * lr}

    text = SPEC + "  constraints: [parameters <= 1M]\n"
    with open_search(text=text, costs=costs) as search:
        trials = work(search, Runs(search.store))
        assert len(trials) == 12
        assert all(float(trial.params["lr"]) <= 1.001e-3 for trial in trials)
        rejected = [f for f in search.trials() if REJECTED in f.user_attrs]
        assert rejected and all(f.state is TrialState.PRUNED for f in rejected)
        assert summarise(search, over=True).rejected == {
            "breaks parameters <= 1e+06": len(rejected)
        }


def test_constraints_that_leave_nothing_are_an_error(
    open_search: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "PATIENCE", 10)
    text = SPEC + "  constraints: [macs <= 1k]\n  sampler: random\n"
    with (
        open_search(text=text, costs=lambda config, names: {"macs": 2000.0}) as search,
        pytest.raises(SpecError, match="in a row were rejected, the last because: breaks macs"),
    ):
        search.ask()


def test_a_grid_ends_when_every_point_was_tried(open_search: Open) -> None:
    text = SPEC.replace("{trials: 12}", "{trials: 1000}") + "  space: [se, dilation]\n"
    with open_search("search.sampler=grid", text=text) as search:
        trials = work(search, Runs(search.store, lambda params, seed: 30.0))
        assert len(trials) == 4 and search.finished()


def test_earlier_results_warm_start_a_search(open_search: Open) -> None:
    with open_search("study=earlier") as search:
        done = work(search, Runs(search.store))
        from tempo.tuning.plans import GrowingPlan

        search.store.save_plan(GrowingPlan(search).now())
    with open_search("search.warm_start=[earlier]", "search.budget.trials=5") as search:
        known = [f for f in search.trials() if f.user_attrs.get("warm_start")]
        assert len(known) == 12
        assert sorted(f.params["lr"] for f in known) == pytest.approx(
            sorted(float(f"{float(trial.params['lr']):.4g}") for trial in done)
        )
        assert len(work(search, Runs(search.store))) == 5
    with open_search("search.warm_start=[earlier]", "search.budget.trials=5") as search:
        assert len(search.trials()) == 17
    with open_search(
        "study=other", "search.warm_start=[earlier]", "recipe.budget.steps=900"
    ) as search:
        assert len(search.trials()) == 0
        assert sum(search.skipped.values()) == 12
        assert any("recipe.budget" in reason for reason in search.skipped)
    with pytest.raises(SpecError, match=r"no study 'nowhere'.*known: earlier"):
        open_search("study=third", "search.warm_start=[nowhere]")


def test_a_failed_run_fails_its_trial_and_spends_its_ticket(open_search: Open) -> None:
    with open_search() as search:
        trial = search.ask()
        assert trial is not None
        search.begin(trial)
        search.failed(trial, 0, "out of memory")
        assert len(work(search, Runs(search.store))) == 11
        record = summarise(search, over=True).trials[0]
        assert record.state == "failed" and record.note == "seed 0: out of memory"


def test_a_budget_of_time_ends_a_search(open_search: Open) -> None:
    text = SPEC.replace("{trials: 12}", "{hours: 0.0002}")
    with open_search(text=text) as search:
        trials = work(search, Runs(search.store, pause=0.1))
        assert 1 <= len(trials) <= 3
        spent = search.spending()
        assert spent.trials == len(trials) and spent.hours >= 0.0002
        assert search.finished()


TWO = SPEC.replace("pruner: none", "objectives: [psnr, parameters]")


def test_two_objectives_give_a_front_of_which_none_dominates_another(open_search: Open) -> None:
    with open_search("search.sampler=nsga2", "search.budget.trials=25", text=TWO) as search:
        work(search, Runs(search.store))
        summary = summarise(search, over=True)
        values = {t.variant: t.values for t in summary.trials}
        front = [values[name] for name in summary.front]
        assert front and summary.pruner == "none"
        for psnr, parameters in front:
            assert not any(
                p >= psnr and n <= parameters and (p, n) != (psnr, parameters)
                for p, n in values.values()
            )


def test_confirmation_shows_how_much_of_the_winner_was_luck(open_search: Open) -> None:
    text = SPEC + "  enqueue: [{lr: 1e-3, se: on}]\n  confirm: 4\n"
    with open_search("search.budget.trials=30", text=text) as search:
        runs = Runs(search.store, lambda params, seed: noisy(params, seed, sd=1.0))
        work(search, runs)
        chosen = candidates(search)
        assert [each.role for each in chosen] in (["best", "baseline"], ["best"])
        assert all(seed not in search.seeds for each in chosen for seed in each.runs)
        for each in chosen:
            for seed in each.runs:
                runs.carry_out(_as_trial(search, each), seed)
        found = summarise(search, over=True).confirmed
        winner = found[0]
        assert winner.fresh is not None and winner.shrinkage is not None
        assert winner.fresh.count == 4
        assert winner.shrinkage.mean == pytest.approx(winner.fresh.mean - winner.search.mean)
        assert winner.test["psnr"].mean == pytest.approx(winner.fresh.mean - 0.2)
        assert (
            winner.fresh.covers
            == "fresh seeds alone, on the validation clips that chose the winner"
        )
        assert (
            winner.shrinkage.covers == "seeds alone, on the validation clips that chose the winner"
        )
        assert winner.gain == {}, "the gain is judged on test clips, by another layer"


def test_a_point_that_was_tried_twice_is_confirmed_once(open_search: Open) -> None:
    text = SPEC.replace("pruner: none", "space: [se]\n  sampler: random\n  confirm: 1\n  top: 4")
    with open_search("search.budget.trials=8", text=text) as search:
        work(search, Runs(search.store, lambda params, seed: 30.0 + (params["se"] == "on")))
        assert len({tuple(t.params.items()) for t in summarise(search, over=False).trials}) == 2
        chosen = candidates(search)
        assert len(chosen) == 2
        assert len({tuple(each.point.resolved.key) for each in chosen}) == 2


def _as_trial(search: object, each: object) -> object:
    from tempo.tuning.trials import Trial

    return Trial(
        ticket="",
        optuna_id=0,
        number=0,
        name="",
        origin="",
        point=each.point,
        runs=each.runs,
        started=0.0,
        prunable=False,
    )


def test_a_summary_survives_its_file(open_search: Open) -> None:
    from tempo.records.search_record import load_search, save_search

    with open_search() as search:
        work(search, Runs(search.store))
        summary = summarise(search, over=True)
        assert {each.evaluator for each in summary.importances} == {"fanova", "ped_anova"}
        assert all(0 <= each.low <= each.share <= each.high <= 1 for each in summary.importances)
        save_search(search.store, summary)
    assert load_search(Store(search.store.root), "planted") == summary
