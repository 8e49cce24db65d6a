"""The log of rules and looks: what is written is read, once per state of the data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tempo.core.errors import FormatError, RecordError
from tempo.core.records import Plan
from tempo.core.verdict_rule import Rule
from tempo.records.layout import Store
from tempo.records.rule_sentences import last_words, looks_taken, rule_ahead, rule_history
from tempo.records.verdict_log import (
    Look,
    LookedContrast,
    RuleEntry,
    VerdictLog,
    append,
    append_look,
    decided,
    earlier_looks,
    log_path,
    past_looks,
    read_log,
)

RULE = Rule(
    metrics=("psnr",),
    delta={"psnr": 0.05},
    alpha=0.05,
    power=0.8,
    on="test",
    spending="obrien_fleming",
    baseline="a",
    sentence="PSNR on the test clips",
)
PLAN = Plan(
    study="s",
    question="",
    profile=None,
    source="s.yaml",
    spec={"study": "s"},
    spec_hash="",
    baseline="a",
    variants=(),
    runs=(),
)
DAY = 86400.0


def contrast(seeds: int, word: str = "inconclusive", planned: int = 5) -> LookedContrast:
    return LookedContrast(
        variant="b",
        baseline="a",
        metric="psnr",
        seeds=seeds,
        planned=planned,
        value=0.1,
        low=-0.1,
        high=0.3,
        p=0.2,
        p_equal=None,
        p_adjusted=0.2,
        level=0.95,
        word=word,
        pairs=tuple(f"pair{seed}" for seed in range(seeds)),
    )


def look(seeds: int, word: str = "inconclusive", *, rule: Rule = RULE, planned: int = 5) -> Look:
    shown = (contrast(seeds, word, planned),)
    return Look(
        time=DAY * seeds, by="compare", data=f"data{seeds}", rule=rule.hash, contrasts=shown
    )


def pairs(seeds: int) -> tuple[str, ...]:
    return contrast(seeds).pairs


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert read_log(store, PLAN) == VerdictLog()
    entry = RuleEntry(time=1.0, rule=RULE, complete=0, runs=6)
    append(store, PLAN, entry)
    made = append_look(store, PLAN, look(3))
    log = read_log(store, PLAN)
    assert log.rules == (entry,)
    assert log.looks == (made,)
    assert made.time is not None and made.time > 1e9
    assert log_path(store, PLAN) == tmp_path / "studies" / "s" / "verdicts" / "default.jsonl"


def test_the_same_data_under_the_same_rule_are_one_look(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = append_look(store, PLAN, look(3))
    assert append_look(store, PLAN, replace(look(3), by="report")) == first
    other = replace(RULE, alpha=0.1)
    append_look(store, PLAN, look(3, rule=other))
    append_look(store, PLAN, look(4))
    assert [each.data for each in read_log(store, PLAN).looks] == ["data3", "data3", "data4"]


def test_a_line_that_was_cut_off_is_passed_over_and_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    append_look(store, PLAN, look(3))
    path = log_path(store, PLAN)
    with path.open("ab") as file:
        file.write(b'{"kind":"look","tim')
    assert len(read_log(store, PLAN).entries) == 1
    append_look(store, PLAN, look(4))
    assert [each.data for each in read_log(store, PLAN).looks] == ["data3", "data4"]


@pytest.mark.parametrize(
    "line", ["not json", "[]", '{"kind":"glance"}', '{"kind":"look","time":1}', '"text"']
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    store = Store(tmp_path)
    append_look(store, PLAN, look(3))
    path = log_path(store, PLAN)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(RecordError, match=r"default\.jsonl: line 2 is no entry of a log") as caught:
        read_log(store, PLAN)
    assert caught.value.exit_code == 2


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    append_look(store, PLAN, look(3))
    path = log_path(store, PLAN)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}) + "\n")
    with pytest.raises(FormatError, match="newer version of Tempo"):
        read_log(store, PLAN)


def test_looks_at_fewer_seeds_count_whatever_the_rule_was() -> None:
    log = VerdictLog((look(3), look(4, rule=replace(RULE, alpha=0.1)), look(5)))
    earlier = earlier_looks(log, "b", "a", "psnr", pairs(5))
    assert past_looks(earlier, 5) == (3, 4)
    assert past_looks(earlier_looks(log, "b", "a", "psnr", pairs(3)), 3) == ()
    assert earlier_looks(log, "b", "a", "ssim", pairs(5)) == ()
    assert earlier_looks(log, "b", "c", "psnr", pairs(5)) == ()


def test_looks_at_results_that_were_made_again_do_not_count() -> None:
    log = VerdictLog((look(3, "better"),))
    again = ("new0", "new1", "new2", "new3")
    assert earlier_looks(log, "b", "a", "psnr", again) == ()
    assert decided(log, RULE, "b", "a", "psnr", again) is None


def test_the_first_word_that_settles_stands_under_its_rule() -> None:
    log = VerdictLog((look(3), look(4, "better"), look(5, "worse")))
    found = decided(log, RULE, "b", "a", "psnr", pairs(6))
    assert found is not None
    assert (found.contrast.word, found.contrast.seeds) == ("better", 4)
    assert decided(log, replace(RULE, alpha=0.1), "b", "a", "psnr", pairs(6)) is None
    assert decided(log, RULE, "b", "a", "psnr", pairs(3)) is None, "of seeds that are not there"


def entry(time: float, rule: Rule, complete: int) -> RuleEntry:
    return RuleEntry(time=time, rule=rule, complete=complete, runs=6)


def test_the_history_says_when_the_rule_was_fixed() -> None:
    wider = replace(RULE, delta={"psnr": 0.1})
    assert list(rule_history(RULE, ())) == [
        "Rule, of which no record was made before the first result: PSNR on the test clips."
    ]
    assert list(rule_history(RULE, [entry(0, wider, 0), entry(DAY, RULE, 0)])) == [
        "Rule, fixed on 1970-01-02 before any result: PSNR on the test clips."
    ]
    assert list(rule_history(RULE, [entry(0, RULE, 2)])) == [
        "Rule, fixed on 1970-01-01 when 2 of 6 runs had a result: PSNR on the test clips."
    ]
    assert list(rule_history(wider, [entry(0, RULE, 0), entry(DAY, wider, 3)])) == [
        ("Rule, fixed on 1970-01-01 before any result, and changed since: PSNR on the test clips."),
        (
            "The rule was changed on 1970-01-02, when 3 of 6 runs had a result: "
            "the delta of psnr from 0.05 to 0.1."
        ),
    ]


def test_a_plan_says_what_starting_would_fix() -> None:
    wider = replace(RULE, delta={"psnr": 0.1})
    assert list(rule_ahead(RULE, VerdictLog())) == [
        "Rule, which is fixed when the study starts: PSNR on the test clips."
    ]
    said = list(rule_ahead(wider, VerdictLog((entry(0, RULE, 0),))))
    assert said[0].startswith("Rule, fixed on 1970-01-01 before any result")
    assert said[1].endswith("the delta of psnr from 0.05 to 0.1.")


def test_looks_are_told_with_their_seeds() -> None:
    assert looks_taken(VerdictLog()) == ""
    assert looks_taken(VerdictLog((look(3),))).endswith("looked at once, with 3 seeds.")
    assert "looked at 2 times, with 3, 4 seeds" in looks_taken(VerdictLog((look(3), look(4))))


def test_the_last_look_is_told_in_words_differences_first() -> None:
    assert last_words(VerdictLog()) == ""
    later = replace(look(4), contrasts=(contrast(4), replace(contrast(4, "worse"), variant="c")))
    assert last_words(VerdictLog((look(3, "better"), later))) == (
        "The last look was on 1970-01-05 and found against a: c worse; b inconclusive."
    )
    mixed = replace(contrast(4, "better"), baseline="z", metric="ssim")
    both = replace(later, time=None, contrasts=(contrast(4), mixed))
    assert last_words(VerdictLog((both,))) == (
        "The last look found: b better in ssim; b inconclusive in psnr."
    )
    many = tuple(replace(contrast(4), variant=f"v{k}") for k in range(10))
    assert last_words(VerdictLog((replace(later, contrasts=many),))).endswith(
        "v7 inconclusive; and 2 more verdicts."
    )
