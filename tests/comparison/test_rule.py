"""Comparisons by a rule that was fixed before the data: what it covers, and looks that count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tempo
from tempo.comparison.build import compare, compare_all
from tempo.comparison.comparison import Comparison
from tempo.comparison.query import At, Query, parse_run_filter
from tempo.comparison.statistics.quantities import Word
from tempo.core.errors import RecordError
from tempo.core.records import Plan
from tempo.records.layout import Store
from tempo.records.verdict_log import log_path
from tempo.workflow.verdicts import record_look, record_rule

GAINS = {"a": 0.0, "b": 0.5, "c": 0.02}


class Records:
    """A planted study of which only the first `shown` seeds have been carried out."""

    def __init__(self, make: ModuleType, root: Path, seeds: int, **settings: Any) -> None:
        arms = [
            make.Arm(name=name, gain=gain, config={"arch": {"se": name}})
            for name, gain in settings.pop("gains", GAINS).items()
        ]
        arms.append(make.Arm(name="average", gain=-2.0, role="reference"))
        noise = make.Noise(seed=0.05, clip=0.02, residual=0.05)
        study = make.Study(arms=arms, seeds=seeds, noise=noise, baseline="a", **settings)
        self.store, self.plan = Store(root), make.write_study(root, study)
        self.said: list[str] = []

    def show(self, seeds: int) -> None:
        """Hide the runs of later seeds, as if they had not begun."""
        for run in self.plan.runs:
            folder = self.store.run_dir(run.run_id)
            there, hidden = folder / "run.json", folder / "hidden.json"
            if run.seed is not None and run.seed >= seeds and there.exists():
                there.rename(hidden)
            elif (run.seed is None or run.seed < seeds) and hidden.exists():
                hidden.rename(there)

    def rule(self, verdict: Mapping[str, Any]) -> None:
        self.plan = replace(self.plan, spec={**self.plan.spec, "verdict": dict(verdict)})

    def plan_seeds(self, seeds: int) -> None:
        """Plan the first seeds only."""
        runs = [run for run in self.whole.runs if run.seed is None or run.seed < seeds]
        self.plan = replace(self.whole, spec=self.plan.spec, runs=tuple(runs))

    def compare(self, query: Query | None = None) -> Comparison:
        return compare(self.store, self.plan, query or Query())

    def look(self, query: Query | None = None) -> Comparison:
        return record_look(self.store, self.plan, self.compare(query), "compare")

    def fix(self) -> None:
        record_rule(self.store, self.plan, self.said.append)

    @property
    def whole(self) -> Plan:
        return self.store.load_plan("planted")


def kinds(found: Comparison) -> dict[tuple[str, str], str]:
    return {(each.variant, each.metric): each.kind for each in found.contrasts}


def words(found: Comparison) -> dict[str, str]:
    own = [each for each in found.contrasts if each.metric == found.metric]
    return {each.variant: each.verdict.word.value for each in own if each.variant != "average"}


@pytest.fixture
def records(planted: ModuleType, tmp_path: Path) -> Records:
    return Records(planted, tmp_path, 6)


def said(found: Comparison, start: str) -> list[str]:
    return [each for each in found.headline if each.startswith(start)]


def test_what_the_rule_asks_is_not_exploratory(records: Records) -> None:
    found = records.compare()
    assert found.exploratory == ()
    assert kinds(found) == {
        ("b", "psnr"): "rule",
        ("c", "psnr"): "rule",
        ("average", "psnr"): "secondary",
        ("b", "ssim"): "secondary",
        ("c", "ssim"): "secondary",
        ("average", "ssim"): "secondary",
    }
    assert found.rule.metrics == ("psnr",)
    assert said(found, "Exploratory") == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (Query(delta=0.1), "asked with delta 0.1; the rule says 0.05"),
        (Query(level=0.9), "asked with level 0.9; the rule says 0.95"),
        (Query(baseline="b"), "asked against b; the rule says a"),
        (
            Query(where=parse_run_filter("seed >= 1")),
            "asked of the runs with `seed >= 1`; the rule takes all",
        ),
        (Query(at=At("step", 500)), "asked at 500; the rule says the test clips at the end"),
    ],
)
def test_what_is_asked_otherwise_is_exploratory(
    records: Records, query: Query, reason: str
) -> None:
    found = records.look(query)
    assert found.exploratory == (reason,)
    assert set(kinds(found).values()) == {"exploratory"}
    assert said(found, "Exploratory") == [f"Exploratory: {reason}."]
    assert found.look is None
    assert not log_path(records.store, records.plan).exists()


def test_what_the_rule_says_may_be_asked_in_words(records: Records) -> None:
    asked = Query(metric="psnr", metrics=("ssim",), delta=0.05, level=0.95, baseline="a")
    found = records.compare(asked)
    assert found.exploratory == ()
    assert found.contrasts == records.compare().contrasts


def test_another_metric_is_exploratory_and_leaves_the_rule_alone(records: Records) -> None:
    found = records.compare(Query(metric="ssim", metrics=("psnr",)))
    assert found.exploratory == ("asked in SSIM; the rule says PSNR",)
    assert kinds(found)["b", "ssim"] == "exploratory"
    assert kinds(found)["b", "psnr"] == "rule"
    assert found.contrast("b", "psnr") == records.compare().contrast("b", "psnr")
    assert found.look is not None, "the rule's contrasts are shown"


def test_a_comparison_reads_its_defaults_from_the_rule(records: Records) -> None:
    records.rule({"metric": "ssim", "delta": 0.004, "alpha": 0.1, "power": 0.9})
    found = records.compare()
    assert (found.metric, found.delta, found.level) == ("ssim", 0.004, 0.9)
    assert found.exploratory == ()
    assert kinds(found)["b", "ssim"] == "rule"
    assert found.contrast("b").difference.level == 0.9
    assert {each.power for each in found.power} == {0.9}


def test_a_family_spans_the_metrics_of_the_rule(records: Records) -> None:
    alone = records.compare()
    records.rule({"metrics": ["psnr", "ssim"], "delta": {"psnr": 0.05, "ssim": 0.0005}})
    found = records.compare()
    assert kinds(found)["c", "ssim"] == kinds(found)["c", "psnr"] == "rule"
    family = {each.family for each in found.contrasts if each.kind == "rule"}
    assert family == {"psnr, ssim: variants (4)"}
    assert found.contrast("b", "ssim").delta == 0.0005
    # Holm: the smallest of four p values counts four times, of two it counted twice.
    smallest = min(
        (each for each in found.contrasts if each.kind == "rule"), key=lambda each: each.p
    )
    assert smallest.p_adjusted == pytest.approx(4 * smallest.p)
    most = max((each for each in alone.contrasts if each.kind == "rule"), key=lambda each: each.p)
    assert found.contrast(most.variant).p_adjusted >= most.p_adjusted
    assert len(said(found, "Against a in ")) == 2


def test_a_part_of_the_family_is_exploratory(records: Records) -> None:
    records.rule({"metrics": ["psnr", "ssim"]})
    found = records.compare(Query(metric="psnr", metrics=()))
    assert found.exploratory == ("asked without SSIM; the rule says PSNR and SSIM",)
    assert kinds(found)["b", "psnr"] == "exploratory"
    assert found.look is None


def test_several_studies_have_no_rule_together(planted: ModuleType, tmp_path: Path) -> None:
    one = Records(planted, tmp_path, 4, name="one")
    two = Records(planted, tmp_path, 4, name="two", gains={"a": 0.0, "d": 0.5}, stream=1)
    found = compare_all([(one.store, one.plan), (two.store, two.plan)])
    assert "several studies are compared at once" in found.exploratory[0]
    assert set(kinds(found).values()) == {"exploratory"}


def test_trials_of_a_search_have_no_rule(records: Records) -> None:
    records.plan = replace(records.plan, spec={**records.plan.spec, "search": {"budget": {}}})
    records.fix()
    found = records.look()
    assert found.exploratory == (
        "the variants are trials of a search, and no rule was fixed for them",
    )
    assert not log_path(records.store, records.plan).exists()


def test_an_old_plan_says_that_its_rule_was_not_recorded(records: Records) -> None:
    assert "verdict" not in records.plan.spec
    (line,) = said(records.compare(), "Rule")
    assert line == (
        "Rule, of which no record was made before the first result: PSNR on the test clips, "
        "5 % error rate over all contrasts, equivalent within 0.05 dB, against a."
    )


def test_a_rule_is_fixed_before_the_data(records: Records) -> None:
    records.show(0)
    for run in records.plan.runs:
        folder = records.store.run_dir(run.run_id)
        folder.rename(folder.with_name(f"later-{run.run_id}"))
    records.fix()
    for run in records.plan.runs:
        folder = records.store.run_dir(run.run_id)
        folder.with_name(f"later-{run.run_id}").rename(folder)
    records.show(6)
    records.fix()
    found = records.compare()
    assert len(found.rules) == 1
    (line,) = said(found, "Rule")
    assert "before any result: PSNR on the test clips" in line


def test_a_change_of_the_rule_after_results_is_recorded(records: Records) -> None:
    records.fix()
    records.rule({"delta": 0.2, "alpha": 0.1})
    assert records.compare().delta == 0.05, "the recorded rule holds until the change is recorded"
    records.fix()
    found = records.compare()
    assert found.delta == 0.2
    assert len(found.rules) == 2
    (line,) = said(found, "The rule was changed on")
    assert line.endswith(
        "when 19 of 19 runs had a result: the error rate from 5 % to 10 %; "
        "the delta of psnr from 0.05 to 0.2."
    )
    assert records.said == []


def test_looks_are_recorded_once_for_each_state_of_the_data(records: Records) -> None:
    for seeds in (3, 3, 4):
        records.show(seeds)
        first, second = records.look(), records.look()
        assert first.look == second.look
    assert [len(look.contrasts) for look in second.looks] == [2, 2]
    assert [look.contrasts[0].seeds for look in second.looks] == [3, 4]
    assert {look.by for look in second.looks} == {"compare"}
    assert second.contrast("c").looked == (3,)
    (line,) = said(second, "Looked at")
    assert line.startswith("Looked at 2 times (3, 4 of 6 seeds): judged at the level that is left")


def test_looks_are_a_table_in_python(records: Records) -> None:
    for seeds in (3, 6):
        records.show(seeds)
        found = tempo.compare("planted", records=records.store.root)
    table = found.looks()
    assert table[["variant", "seeds", "planned"]].values.tolist() == [
        ["b", 3, 6],
        ["c", 3, 6],
        ["b", 6, 6],
        ["c", 6, 6],
    ]
    assert table["time"].is_monotonic_increasing
    assert set(table["by"]) == {"compare"}
    assert found.rule == found.data.rule
    assert found.verdict("b").kind == "rule"
    assert "(secondary)" in str(found.verdict("b", "ssim"))
    assert found.contrasts().set_index(["variant", "metric"]).kind["b", "ssim"] == "secondary"
    frame = tempo.compare("planted", records=records.store.root, delta=0.2)
    assert frame.exploratory == ("asked with delta 0.2; the rule says 0.05",)
    assert len(frame.looks()) == 4


def test_two_seeds_are_no_look(records: Records) -> None:
    records.show(2)
    found = records.look()
    assert found.look is None
    assert not log_path(records.store, records.plan).exists()
    (line,) = said(found, "With 2 paired seeds")
    assert "nothing can be decided" in line
    assert {each.verdict.reason for each in found.contrasts if each.variant != "average"} == {
        "fewer than 3 paired seeds"
    }


def test_one_look_at_the_planned_end_has_the_whole_error_rate(records: Records) -> None:
    found = records.look()
    assert said(found, "Looked at") == []
    assert found.contrast("b").p_adjusted == pytest.approx(
        min(2 * found.contrast("b").p, 1), rel=0.5
    )
    assert max(each.p_adjusted / each.p for each in found.contrasts if each.kind == "rule") <= 2


def test_earlier_looks_cost_a_part_of_the_error_rate(records: Records) -> None:
    unseen = records.compare().contrast("c")
    for seeds in (3, 4, 5):
        records.show(seeds)
        records.look()
    records.show(6)
    seen = records.compare().contrast("c")
    assert seen.looked == (3, 4, 5)
    assert seen.p == unseen.p
    width = seen.difference.high - seen.difference.low
    assert width > unseen.difference.high - unseen.difference.low


def test_an_interim_look_is_stricter_than_the_end(records: Records) -> None:
    records.show(3)
    interim = records.compare().contrast("c")
    records.plan_seeds(3)
    end = records.compare().contrast("c")
    assert interim.difference.value == end.difference.value
    assert interim.difference.high > end.difference.high


def test_a_word_that_was_found_stands(records: Records) -> None:
    records.show(4)
    early = records.look()
    assert words(early)["b"] == "better"
    records.show(6)
    found = records.look()
    contrast = found.contrast("b")
    assert contrast.verdict.word == Word.BETTER
    assert "decided at the look with 4 seeds" in contrast.verdict.reason
    assert contrast.decided_at == 4
    assert contrast.difference.value == early.contrast("b").difference.value
    assert len(contrast.seeds) == 6
    assert found.contrast("c").decided_at in (None, 4)


def test_seeds_after_the_planned_end_change_no_word(records: Records) -> None:
    records.plan_seeds(4)
    records.show(4)
    end = records.look()
    assert end.look is not None and all(each.ended for each in end.look.contrasts)
    records.plan_seeds(6)
    records.show(6)
    found = records.look()
    assert words(found) == words(end)
    (line,) = said(found, "4 seeds were planned and judged on")
    assert "2 seeds came later: what they add is exploratory" in line


def test_a_number_of_seeds_that_is_changed_after_a_look_does_not_count(records: Records) -> None:
    records.plan_seeds(4)
    records.show(3)
    records.look()
    records.plan_seeds(6)
    found = records.look()
    (line,) = said(found, "4 seeds were planned at the first look")
    assert line.endswith("6 are now: the verdicts go by the 4.")
    assert {each.planned for each in found.look.contrasts} == {4}


def test_seeds_that_were_seen_cannot_be_left_out(records: Records) -> None:
    records.show(5)
    records.look()
    records.show(4)
    (line,) = said(records.look(), "b was looked at with 5 seeds")
    assert "4 are shown now" in line


def test_a_secondary_metric_counts_the_same_looks(records: Records) -> None:
    records.show(3)
    records.look()
    records.show(6)
    found = records.compare()
    assert found.contrast("c", "ssim").looked == found.contrast("c", "psnr").looked == (3,)


def test_a_damaged_log_is_an_error(records: Records) -> None:
    records.look()
    path = log_path(records.store, records.plan)
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(RecordError, match="line 1 is no entry of a log of verdicts"):
        records.compare()


def test_records_that_cannot_be_written_are_compared_all_the_same(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    records.fix()
    found = records.look()
    assert words(found)["b"] == "better"
    assert "This look could not be recorded" in found.headline[-1]
    assert "Permission denied" in found.headline[-1]
    assert records.said[0].startswith("The rule could not be recorded in ")
    assert not log_path(records.store, records.plan).exists()
