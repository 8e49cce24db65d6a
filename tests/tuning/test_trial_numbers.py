"""Trials have one series of numbers, and what a search did not find never wins it."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tempo.core.records import RunStatus
from tempo.records.layout import Store
from tempo.records.pruned_runs import NAME as PRUNED_FILE
from tempo.records.pruned_runs import note_pruned, pruned_in, pruned_runs, status_in
from tempo.records.search_record import load_search, save_search, search_dir
from tempo.tuning.backend.storage import promote
from tempo.tuning.plans import GrowingPlan, preview
from tempo.tuning.session import Search
from tempo.tuning.space import Space
from tempo.tuning.summary import candidates, summarise
from tempo.tuning.trials import NAME, TICKET, numbered

from .conftest import Open
from .simulate import SPEC, Runs, load, surface, work

MIXED = SPEC.replace(
    "search:",
    "variants: {V3: {}, V2: {set: {arch: {preset: tempo_v2, base_channels: 4}}}}\nsearch:",
).replace("pruner: none", "pruner: {kind: median, startup: 3}\n  enqueue: [V2, V3]")


def value(params: dict[str, object], seed: int) -> float:
    """The surface; V2, outside the space, is better than any point of it, V3 the second best."""
    if not params:
        return 60.0
    own = params["lr"] == 1e-3 and params["warmup"] == 100
    return 50.0 if own else surface(params)


@pytest.fixture
def searched(open_search: Open) -> Search:
    """A search whose best two trials are enqueued, the first of them outside the space."""
    search = open_search(
        "search.budget.trials=20", "search.race=null", "search.confirm=2", text=MIXED
    )
    with search:
        work(search, Runs(search.store, value))
    return search


def test_names_are_the_numbers_that_optuna_gives(searched: Search) -> None:
    summary = summarise(searched, over=True)
    assert [each.number for each in summary.trials] == list(range(20))
    assert [each.variant for each in summary.trials[:3]] == ["V2", "V3", "trial-002"]
    own = [each for each in summary.trials if each.origin == "sampled"]
    assert own and all(each.variant == numbered(each.number or 0) for each in own)
    assert all(summary.trial(str(each.number)) == each for each in summary.trials)
    plan = GrowingPlan(searched).now()
    assert [each.name for each in plan.variants] == [each.variant for each in summary.trials]


def test_a_promoted_trial_has_the_next_number(searched: Search) -> None:
    pruned = next(f for f in searched.trials() if f.state is TrialState.PRUNED and f.params)
    promote(searched.storage, searched.name, [pruned.number])
    work(searched, Runs(searched.store, value))
    last = summarise(searched, over=True).trials[-1]
    assert (last.variant, last.number, last.origin) == ("trial-020", 20, "promoted")
    assert last.note == f"finishes {numbered(pruned.number)}"


def test_a_rejected_proposal_leaves_a_gap_in_both(open_search: Open) -> None:
    def costs(config: object, quantities: object) -> dict[str, float]:
        asked.append(1)
        return {"parameters": 9.0 if len(asked) % 3 == 0 else 1.0}

    asked: list[int] = []
    text = SPEC.replace("pruner: none", "pruner: none\n  constraints: [parameters <= 5]")
    with open_search("search.budget.trials=6", text=text, costs=costs) as search:
        work(search, Runs(search.store))
        numbers = [each.number for each in summarise(search, over=True).trials]
        assert len(numbers) == 6 and numbers != list(range(6))
        assert [each.number for each in search.trials() if TICKET in each.user_attrs][-1] > 5


def test_the_preview_names_the_trials_that_are_carried_out(
    tmp_path: Path, searched: Search
) -> None:
    plan = preview(Space(load(tmp_path, ["search.budget.trials=20"], MIXED)), 2)
    assert [each.name for each in plan.variants] == ["V2", "V3", "trial-002", "trial-003"]
    carried = GrowingPlan(searched).now()
    assert plan.variants[2].config == carried.variants[2].config


def test_trials_of_earlier_versions_keep_their_names(open_search: Open) -> None:
    """Earlier versions counted tickets from 0, whatever else there was, and stored the names."""
    with open_search("search.budget.trials=4", text=MIXED) as search:
        work(search, Runs(search.store, value))
        for frozen in search.trials():
            if isinstance(frozen.user_attrs[TICKET], int):
                old = f"trial-{frozen.user_attrs[TICKET] + 4:03d}"
                _rename(search, frozen, old)
    with open_search("search.budget.trials=6", text=MIXED) as search:
        work(search, Runs(search.store, value))
        summary = summarise(search, over=True)
    names = [each.variant for each in summary.trials]
    assert names == ["V2", "V3", "trial-004", "trial-005", "trial-004b", "trial-005b"]
    assert summary.trial("trial-004").number == 2
    assert summary.trial("2").variant == "trial-004"


def _rename(search: Search, frozen: optuna.trial.FrozenTrial, name: str) -> None:
    """Store a name; Optuna takes no attribute of a trial that ended, so its journal is edited."""
    path = search.folder / "journal.log"
    lines = path.read_text().splitlines()
    for index, line in enumerate(lines):
        entry = json.loads(line)
        if (entry.get("user_attrs") or {}).get(TICKET) == frozen.user_attrs[TICKET]:
            entry["user_attrs"][NAME] = name
            lines[index] = json.dumps(entry, separators=(",", ":"))
    path.write_text("\n".join(lines) + "\n")


def test_the_storage_names_the_objectives(open_search: Open) -> None:
    text = SPEC.replace("pruner: none", "objectives: [psnr, parameters]")
    with open_search(text=text) as search:
        assert optuna.study.Study(search.name, search.storage).metric_names == [
            "psnr",
            "parameters",
        ]


def test_a_search_of_earlier_versions_gets_the_names(open_search: Open) -> None:
    with open_search() as search:
        pass
    path = search.folder / "journal.log"
    kept = [line for line in path.read_text().splitlines() if "study:metric_names" not in line]
    path.write_text("\n".join(kept) + "\n")
    with open_search() as search:
        assert optuna.study.Study(search.name, search.storage).metric_names == ["psnr"]


def test_what_lies_outside_the_space_never_wins(searched: Search) -> None:
    summary = summarise(searched, over=True)
    outside = summary.trial("V2")
    assert outside.state == "outside" and outside.values[0] == 60.0
    assert summary.best == ("V3",), "an enqueued point of the space may be the best of it"


def test_the_best_proposal_of_the_search_is_confirmed_beside_better_enqueued_ones(
    searched: Search,
) -> None:
    chosen = {each.trial: each.role for each in candidates(searched)}
    found = [each for each in summarise(searched, over=True).trials if each.origin == "sampled"]
    best = max((each for each in found if each.state == "complete"), key=lambda t: t.values[0])
    assert chosen == {"V3": "best", best.variant: "best", "V2": "baseline"}


def test_the_best_that_lost_the_race_is_confirmed_where_all_lost(open_search: Open) -> None:
    text = MIXED.replace("pruner: {kind: median, startup: 3}", "pruner: none")
    with open_search("search.budget.trials=8", "seeds=3", "search.confirm=2", text=text) as search:
        work(search, Runs(search.store, lambda p, seed: value(p, seed) + 0.001 * seed))
        summary = summarise(search, over=True)
        own = [each for each in summary.trials if each.origin == "sampled"]
        assert all(each.raced for each in own)
        best = max(own, key=lambda each: each.values[0])
        assert {each.trial for each in candidates(search)} == {"V2", "V3", best.variant}


def test_a_trial_outside_the_space_ends_no_race(open_search: Open) -> None:
    text = MIXED.replace("pruner: {kind: median, startup: 3}", "pruner: none")
    text = text.replace("enqueue: [V2, V3]", "enqueue: [V2]")

    def flat(params: dict[str, object], seed: int) -> float:
        return 0.1 * seed + (30.0 if params else 60.0)

    with open_search("search.budget.trials=6", "seeds=3", text=text) as search:
        work(search, Runs(search.store, flat))
        assert not any(each.raced for each in summarise(search, over=True).trials)


def test_runs_that_were_pruned_are_known_by_their_last_line(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert pruned_in(store, "hunt", "demo") == frozenset()
    note_pruned(store, "hunt", "demo", ["a", "b", "c"], pruned=True)
    note_pruned(store, "hunt", "demo", ["b"], pruned=False)
    path = search_dir(store, "hunt") / "demo" / PRUNED_FILE
    with path.open("ab") as file:
        file.write(b'{"run_id": "c", "prun')
    note_pruned(store, "hunt", "demo", ["d"], pruned=True)
    known = pruned_in(store, "hunt", "demo")
    assert known == {"a", "c", "d"}
    assert status_in("a", RunStatus.STOPPED, known) is RunStatus.PRUNED
    assert status_in("b", RunStatus.STOPPED, known) is RunStatus.STOPPED
    assert status_in("a", RunStatus.COMPLETE, known) is RunStatus.COMPLETE


def test_the_summary_tells_what_an_earlier_version_pruned(searched: Search) -> None:
    summary = summarise(searched, over=True)
    save_search(searched.store, summary)
    assert load_search(searched.store, "planted") == summary
    gone = {r.run_id for t in summary.trials if t.state == "pruned" for r in t.runs}
    assert gone and pruned_runs(searched.store, GrowingPlan(searched).now()) == gone
    one = min(gone)
    searched.mark([one, "another"], pruned=False)
    assert pruned_runs(searched.store, GrowingPlan(searched).now()) == gone - {one}
