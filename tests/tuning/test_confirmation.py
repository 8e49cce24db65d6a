"""What is said of a search's winner on fresh seeds and test clips: coverage, families, failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.load_runs import Run, Sample
from tempo.comparison.query import Query
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tempo.core.records import MetricInfo, Plan, PlannedRun, PlannedVariant
from tempo.records.layout import Store
from tempo.records.search_record import (
    Confirmation,
    Estimate,
    Gain,
    Role,
    SearchSummary,
    TrialRecord,
    TrialRun,
    load_search,
    save_search,
)
from tempo.tuning.summary import candidates, summarise
from tempo.tuning.trials import INFOS
from tempo.workflow.confirmation import _gains_before, confirmed_pairs, noted, with_gains
from tempo.workflow.gains import (
    NOTHING,
    SEEDS_ALONE,
    SEEDS_AND_CLIPS,
    Pair,
    cost_gains,
    count_gains,
    gains_on_clips,
)
from tempo.workflow.search import SearchResult
from tests.report import sample_search

from .conftest import Open
from .simulate import SPEC, Runs, noisy, work

PSNR = MetricInfo(name="psnr", unit="dB", better="higher", digits=2, definition="")
FRESH = (1000, 1001, 1002, 1003, 1004)


def searched(
    roles: Mapping[str, Role],
    enqueued: Sequence[str],
    *,
    objective: str = "psnr",
    values: Mapping[tuple[str, int], float] | None = None,
) -> SearchSummary:
    """A search whose trials `roles` are confirmed on the fresh seeds, where they have a value."""
    trials = tuple(
        TrialRecord(
            number=number,
            variant=name,
            state="complete",
            origin="enqueued" if name in enqueued else "sampled",
            params={},
            values=(1.0,),
        )
        for number, name in enumerate(roles)
    )
    known = values if values is not None else {(n, s): 1.0 for n in roles for s in FRESH}
    confirmed = tuple(
        Confirmation(
            variant=f"{name} confirmed",
            trial=name,
            role=role,
            runs=tuple(
                TrialRun(seed=s, run_id=f"{name}{s}", values=(known[name, s],))
                if (name, s) in known
                else TrialRun(seed=s, run_id=f"{name}{s}")
                for s in FRESH
            ),
            search=Estimate(mean=1.0, count=1),
            fresh=Estimate(mean=1.0, count=1),
        )
        for name, role in roles.items()
    )
    best = tuple(name for name, role in roles.items() if role == "best")
    one = sample_search.summary()
    return replace(
        one, objectives=(INFOS[objective],), trials=trials, confirmed=confirmed, best=best
    )


def fitted(
    keys: Sequence[tuple[str, int]], values: np.ndarray, sources: Sequence[str]
) -> FittedStudy:
    """A study of the confirmed runs `keys` with `values` by clip, as if read from records."""
    names = dict.fromkeys(name for name, _ in keys)
    variants = {n: PlannedVariant(name=n, role="variant", levels={}, config={}) for n in names}
    runs = tuple(
        Run(
            planned=PlannedRun(run_id=f"{name}{seed}", variant=name, seed=seed),
            variant=variants[name],
            folder=Path(name),
            record=None,
            values={"psnr": 1.0},
        )
        for name, seed in keys
    )
    plan = Plan(
        study="s",
        question="",
        profile=None,
        source="",
        spec={},
        spec_hash="",
        baseline=None,
        variants=tuple(variants.values()),
        runs=tuple(run.planned for run in runs),
    )
    sample = Sample(
        store=Store(Path()), plan=plan, query=Query(), variants=plan.variants, runs=runs
    )
    model = RandomEffects(matrix_of(keys, values, sources))
    return FittedStudy(sample, None, (PSNR,), (), None, {"psnr": model}, {})


@dataclass
class Bench:
    """Searches of `trials` candidates of equal truth, V3 among them, which is `gain` worse.

    Every candidate has an effect of its own on each clip, on each seed and on both: what a search
    of many candidates picks from.
    """

    rng: np.random.Generator
    trials: int = 20
    gain: float = 0.0
    seeds: int = 2
    validation: int = 40
    test: int = 60

    def draw(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Fresh values (winner and V3, seeds, clips) on validation and on test clips.

        None where V3 itself wins.
        """
        rng, count = self.rng, self.seeds + len(FRESH)
        clips = self.validation + self.test
        truth = np.full(self.trials, self.gain)
        truth[0] = 0.0
        values = rng.normal(0, 2, clips) + rng.normal(0, 0.1, (1, count, 1)) + truth[:, None, None]
        values = values + rng.normal(0, 0.35, (self.trials, 1, clips))
        values += rng.normal(0, 0.05, (self.trials, count, 1))
        values += rng.normal(0, 0.2, (self.trials, count, clips))
        winner = int(values[:, : self.seeds, : self.validation].mean(axis=(1, 2)).argmax())
        if winner == 0:
            return None
        fresh = values[[winner, 0], self.seeds :]
        return fresh[..., : self.validation], fresh[..., self.validation :]


def gain_on(clips: np.ndarray) -> Gain:
    """The gain of `best` over V3 on values (best and V3, seeds, clips)."""
    summary = searched({"best": "best", "V3": "baseline"}, ["V3"])
    keys = [(f"{name} confirmed", seed) for name in ("best", "V3") for seed in FRESH]
    values = clips.reshape(len(keys), -1)
    study = fitted(keys, values, [f"clip {i}" for i in range(values.shape[1])])
    (gain,) = gains_on_clips(summary, confirmed_pairs(summary), study).values()
    assert isinstance(gain, Gain)
    return gain


@pytest.mark.parametrize("gain", [0.0, 0.15])
def test_the_interval_of_a_gain_covers_the_truth_although_the_best_was_chosen(gain: float) -> None:
    bench, drawn = Bench(np.random.default_rng(31), gain=gain), 1000
    hits = {"test": 0, "validation": 0}
    done = 0
    while done < drawn:
        values = bench.draw()
        if values is None:
            continue
        done += 1
        on_test = gain_on(values[1])
        hits["test"] += on_test.low <= gain <= on_test.high
        # What was done before: the clips that chose the winner, paired by fresh seed.
        paired = (values[0][0] - values[0][1]).mean(axis=1)
        low, high = stats.ttest_1samp(paired, 0).confidence_interval()
        hits["validation"] += low <= gain <= high
    assert 0.93 <= hits["test"] / drawn <= 0.98, hits
    assert hits["validation"] / drawn < 0.85, hits


def values_of(shift: Mapping[str, float], clips: int = 30) -> dict[tuple[str, int], np.ndarray]:
    rng = np.random.default_rng(2)
    base = rng.normal(30, 2, clips)
    return {
        (f"{name} confirmed", seed): base + by + rng.normal(0, 0.05, clips)
        for name, by in shift.items()
        for seed in FRESH
    }


def judged(
    summary: SearchSummary,
    values: Mapping[tuple[str, int], np.ndarray],
    before: Mapping[Pair, Gain] = NOTHING,
) -> dict[str, Confirmation]:
    clips = len(next(iter(values.values())))
    study = fitted(list(values), np.array(list(values.values())), [f"{i}" for i in range(clips)])
    found = gains_on_clips(summary, confirmed_pairs(summary), study, before)
    return {each.trial: each for each in noted(summary, found).confirmed}


def test_a_gain_says_its_pairs_its_clips_and_what_its_interval_covers() -> None:
    summary = searched({"best": "best", "V3": "baseline"}, ["V3"])
    gain = judged(summary, values_of({"best": 0.4, "V3": 0.0}))["best"].gain["V3"]
    assert gain.word == "better" and gain.mean == pytest.approx(0.4, abs=0.05)
    assert (gain.count, gain.planned, gain.clips, gain.sources) == (5, 5, 30, 30)
    assert gain.covers == SEEDS_AND_CLIPS
    assert gain.covers == "fresh seeds and the draw of the test clips, which chose nothing"
    worse = judged(summary, values_of({"best": -0.4, "V3": 0.0}))["best"].gain["V3"]
    assert worse.word == "worse"


def test_all_winners_and_enqueued_trials_are_one_family() -> None:
    summary = searched({"first": "best", "V3": "best", "V2": "baseline"}, enqueued=["V3", "V2"])
    assert confirmed_pairs(summary) == [
        ("first confirmed", "V3 confirmed"),
        ("first confirmed", "V2 confirmed"),
        ("V3 confirmed", "V2 confirmed"),
    ]
    found = judged(summary, values_of({"first": 0.02, "V3": 0.0, "V2": 0.01}))
    gains = [*found["first"].gain.values(), *found["V3"].gain.values()]
    assert [each.family for each in gains] == [3, 3, 3]
    ordered = sorted(gains, key=lambda each: each.p or 0.0)
    assert ordered[0].p_adjusted == pytest.approx(min(1.0, 3 * (ordered[0].p or 0.0)))
    assert ordered[1].p_adjusted == pytest.approx(
        min(1.0, max(ordered[0].p_adjusted or 0.0, 2 * (ordered[1].p or 0.0)))
    )
    assert found["V2"].gain == {}, "a baseline is not what a search claims a gain for"


def without(
    values: Mapping[tuple[str, int], np.ndarray], missing: set[tuple[str, int]]
) -> dict[tuple[str, int], np.ndarray]:
    return {key: each for key, each in values.items() if key not in missing}


def test_failed_fresh_seeds_leave_the_pairs_that_are_there() -> None:
    summary = searched({"best": "best", "V3": "baseline"}, ["V3"])
    whole = values_of({"best": 0.4, "V3": 0.0})
    gone = {("best confirmed", 1000), ("V3 confirmed", 1001)}
    gain = judged(summary, without(whole, gone))["best"].gain["V3"]
    assert (gain.count, gain.planned, gain.word) == (3, 5, "better")
    kept = [whole["best confirmed", s] - whole["V3 confirmed", s] for s in (1002, 1003, 1004)]
    assert gain.mean == pytest.approx(float(np.mean(kept)))


def test_fewer_than_three_pairs_give_no_verdict_however_large_the_gain() -> None:
    summary = searched({"best": "best", "V3": "baseline"}, ["V3"])
    gone = {("best confirmed", s) for s in (1000, 1001, 1002)}
    values = without(values_of({"best": 9.0, "V3": 0.0}), gone)
    gain = judged(summary, values)["best"].gain["V3"]
    assert gain.word == "" and gain.p_adjusted is None and gain.family == 0
    assert gain.reason == "2 pairs of fresh seeds; a verdict needs at least 3"
    assert gain.mean == pytest.approx(9.0, abs=0.1)


def test_without_a_common_seed_the_reason_stands_in_for_the_gain() -> None:
    summary = searched({"best": "best", "V3": "baseline"}, ["V3"])
    gone = {("best confirmed", s) for s in FRESH[:2]} | {("V3 confirmed", s) for s in FRESH[2:]}
    one = judged(summary, without(values_of({"best": 1.0, "V3": 0.0}), gone))["best"]
    assert one.gain == {}
    assert one.without_gain == {"V3": "no seed is finished in both best confirmed and V3 confirmed"}


def of_costs(summary: SearchSummary) -> Confirmation:
    return noted(summary, cost_gains(summary, confirmed_pairs(summary))).confirmed[0]


def test_costs_are_paired_by_seed_and_less_is_better() -> None:
    rng = np.random.default_rng(9)
    values = {("best", s): 90.0 + rng.normal() for s in FRESH}
    values |= {("V3", s): 100.0 + rng.normal() for s in FRESH}
    roles: dict[str, Role] = {"best": "best", "V3": "baseline"}
    summary = searched(roles, ["V3"], objective="step_time", values=values)
    gain = of_costs(summary).gain["V3"]
    assert gain.word == "better" and gain.mean < 0 and gain.covers == SEEDS_ALONE
    paired = [values["best", s] - values["V3", s] for s in FRESH]
    assert gain.mean == pytest.approx(float(np.mean(paired)))
    values = {key: each for key, each in values.items() if key != ("best", 1000)}
    summary = searched(roles, ["V3"], objective="step_time", values=values)
    gain = of_costs(summary).gain["V3"]
    assert (gain.count, gain.planned) == (4, 5)
    values = {key: each for key, each in values.items() if key[0] == "V3"}
    summary = searched(roles, ["V3"], objective="step_time", values=values)
    one = of_costs(summary)
    assert one.without_gain["V3"].startswith("no seed is finished in both")


def test_counts_are_the_same_under_every_seed_and_no_estimates() -> None:
    roles: dict[str, Role] = {"best": "best", "V3": "baseline"}
    values = {(n, s): v for n, v in (("best", 900.0), ("V3", 1000.0)) for s in FRESH}
    summary = searched(roles, ["V3"], objective="parameters", values=values)
    gain = noted(summary, count_gains(summary, confirmed_pairs(summary))).confirmed[0].gain["V3"]
    assert (gain.mean, gain.low, gain.high, gain.word) == (-100.0, -100.0, -100.0, "better")
    assert gain.covers == "nothing: a count of the network is the same under every seed"
    alone = searched(roles, ["V3"], objective="parameters", values={("V3", 1000): 1.0})
    found = count_gains(alone, confirmed_pairs(alone))
    assert list(found.values()) == ["no seed is finished in both best confirmed and V3 confirmed"]


PAIR = ("best confirmed", "V3 confirmed")


def some(values: Mapping[tuple[str, int], np.ndarray], seeds: int) -> dict[tuple[str, int], Any]:
    return {key: each for key, each in values.items() if key[1] in FRESH[:seeds]}


def test_a_confirmation_that_goes_on_has_no_verdict_yet() -> None:
    summary = searched({"best": "best", "V3": "baseline"}, ["V3"])
    values = values_of({"best": 0.4, "V3": 0.0})
    waiting = judged(replace(summary, over=False), some(values, 4))["best"].gain["V3"]
    assert (waiting.word, waiting.looks) == ("", ())
    assert waiting.reason == "4 of 5 pairs of fresh seeds; the confirmation goes on"
    done = judged(summary, values, {PAIR: waiting})["best"].gain["V3"]
    assert (done.word, done.looks, done.p_adjusted) == ("better", (5,), done.p)


def test_seeds_added_after_a_verdict_change_no_word() -> None:
    summary = searched({"best": "best", "V3": "baseline"}, ["V3"])
    clear = values_of({"best": 0.4, "V3": 0.0})
    first = judged(summary, some(clear, 3))["best"].gain["V3"]
    assert (first.word, first.looks) == ("better", (3,))
    later = judged(summary, clear, {PAIR: first})["best"].gain["V3"]
    assert later == replace(first, reason="decided at the look with 3 seeds")
    same = judged(replace(summary, over=False), some(clear, 3), {PAIR: first})["best"].gain["V3"]
    assert same == first, "the same data shown again is the same look"

    fell = (PAIR[0], FRESH[1])
    unclear = {key: each - (1.2 if key == fell else 0.0) for key, each in clear.items()}
    opened = judged(summary, some(unclear, 3))["best"].gain["V3"]
    assert opened.word == "inconclusive"
    more = judged(summary, clear, {PAIR: opened})["best"].gain["V3"]
    assert (more.word, more.looks) == ("inconclusive", (3, 5))
    assert "exploratory" in more.reason


def test_an_earlier_verdict_is_read_from_the_summary_on_disk(tmp_path: Path) -> None:
    summary = searched({"best": "best", "V3": "baseline"}, ["V3"])
    first = judged(summary, values_of({"best": 0.4, "V3": 0.0}))["best"].gain["V3"]
    store = Store(tmp_path)
    assert _gains_before(store, summary) == {}
    path = save_search(store, noted(summary, {PAIR: first}))
    assert _gains_before(store, summary) == {PAIR: first}
    path.write_text("{")
    assert _gains_before(store, summary) == {}


def test_a_search_is_judged_from_its_records(open_search: Open) -> None:
    from tempo.tuning.plans import GrowingPlan

    text = SPEC + "  enqueue: [{lr: 1e-5, se: off}]\n  confirm: 3\n"
    with open_search(text=text) as search:
        runs = Runs(search.store, lambda params, seed: noisy(params, seed, sd=0.01), clips=8)
        work(search, runs)
        chosen = candidates(search)
        for each in chosen:
            for seed in each.runs:
                runs.carry_out(as_trial(each), seed)
        plan = GrowingPlan(search).now(chosen)
        one, other = with_gains(search.store, plan, summarise(search, over=True)).confirmed
    gain = one.gain[other.trial]
    assert gain.mean == pytest.approx(one.test["psnr"].mean - other.test["psnr"].mean)
    assert gain.word == "better" and gain.count == 3
    assert gain.clips == 8 and gain.covers == SEEDS_AND_CLIPS


def as_trial(each: object) -> object:
    from .test_session import _as_trial

    return _as_trial(None, each)


def test_records_of_earlier_versions_load_and_say_what_their_gain_covers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = save_search(store, sample_search.summary())
    value = json.loads(path.read_text())
    for each in value["confirmed"]:
        del each["without_gain"]
        each["gain"] = {
            name: {key: gain[key] for key in ("mean", "count", "low", "high")}
            for name, gain in each["gain"].items()
        }
        for key in ("search", "fresh", "shrinkage"):
            del each[key]["covers"]
    for each in value["importances"]:
        del each["noise"], each["share_of"]
    path.write_text(json.dumps(value))
    found = load_search(store, "search_sample")
    gain = found.confirmed[0].gain["V3"]
    assert gain.mean == sample_search.summary().confirmed[0].gain["V3"].mean
    assert gain.covers == "fresh seeds alone, on the validation clips that chose the winner"
    assert gain.word == "" and found.importances[0].above_noise is None


def test_the_python_api_says_what_intervals_cover_and_what_noise_reaches(tmp_path: Path) -> None:
    one = sample_search.summary()
    best = replace(one.confirmed[0], without_gain={"V2": "no seed is shared"})
    result = SearchResult(Store(tmp_path), replace(one, confirmed=(best, *one.confirmed[1:])))
    row = result.confirmed().iloc[0]
    assert (row["gain_V3"], row["gain_V3_low"], row["gain_V3_high"]) == (0.31, 0.19, 0.43)
    assert (row["gain_V3_verdict"], row["gain_V3_pairs"]) == ("better", 3)
    assert row["gain_V3_covers"] == SEEDS_AND_CLIPS
    assert row["shrinkage_covers"] == "seeds alone, on validation"
    assert row["covers"] == "fresh seeds alone, on validation"
    assert row["gain_V2_reason"] == "no seed is shared"
    shares = result.importance().set_index(["factor", "method"])
    assert shares.loc[("lr", "fanova"), "noise"] == 0.2
    assert bool(shares.loc[("lr", "fanova"), "above_noise"])
    assert not bool(shares.loc[("warmup", "fanova"), "above_noise"])
    assert set(shares["share_of"]) == {"the variance of a sample"}
