"""The rule that a spec fixes: what it may say, its defaults, and that it changes no run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.errors import SpecError
from tempo.core.records import Plan
from tempo.core.verdict_rule import Rule, rule_changes, same_rule
from tempo.design.expand import expand
from tempo.spec.load import load_study
from tempo.spec.verdict import rule_of

SPEC = Path(__file__).parents[2] / "ablations" / "se_dilation.yaml"


def plan(*overrides: str) -> Plan:
    return expand(load_study(SPEC, profile="smoke", overrides=overrides))


def test_without_the_section_the_default_rule_holds() -> None:
    made = plan()
    rule = rule_of(made)
    assert rule.metrics == ("psnr",)
    assert rule.delta == {"psnr": 0.05}
    assert (rule.alpha, rule.level, rule.power, rule.on) == (0.05, 0.95, 0.8, "test")
    assert rule.spending == "obrien_fleming"
    assert rule.baseline == made.baseline
    assert rule.sentence == (
        "PSNR on the test clips, 5 % error rate over all contrasts, equivalent within 0.05 dB, "
        f"against {made.baseline}"
    )


def test_a_rule_over_two_metrics() -> None:
    rule = rule_of(plan("verdict={metrics: [psnr, ssim], delta: {ssim: 5e-4}, alpha: 0.01}"))
    assert rule.metrics == ("psnr", "ssim")
    assert rule.delta == {"psnr": 0.05, "ssim": 0.0005}
    assert "1 % error rate over all contrasts in all of them together" in rule.sentence
    assert "0.05 dB (PSNR) and 0.0005 (SSIM)" in rule.sentence


def test_a_number_is_the_delta_of_the_first_metric() -> None:
    rule = rule_of(plan("verdict={metrics: [ssim, psnr], delta: 0.002}"))
    assert rule.delta == {"ssim": 0.002, "psnr": 0.05}


def test_a_metric_without_a_default_delta_is_never_equivalent() -> None:
    rule = rule_of(plan("verdict.metric=ie"))
    assert rule.delta == {"ie": None}
    assert "equivalent" not in rule.sentence


def test_the_rule_changes_no_run() -> None:
    one, other = plan(), plan("verdict={metrics: [psnr, ssim], alpha: 0.01}")
    assert [run.run_id for run in one.runs] == [run.run_id for run in other.runs]
    assert one.spec["verdict"] != other.spec["verdict"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("verdict.metric=pnsr", "unknown metric 'pnsr'; did you mean 'psnr'?"),
        ("verdict.metrics=[psnr, sim]", "unknown metric 'sim'; did you mean 'ssim'?"),
        ("verdict.metrics=[psnr, psnr]", "metrics are named once each, not psnr, psnr"),
        ("verdict={metric: psnr, metrics: [ssim]}", "not both; write metrics: [psnr, ssim]"),
        ("verdict.metric=tof", "evaluation.metrics does not measure; add it there"),
        ("verdict.delta=0", "delta is a difference above 0, not 0"),
        ("verdict.delta=wide", "delta is a difference above 0, or one by metric, not 'wide'"),
        ("verdict.delta={psnr: -1}", "delta is a difference above 0, not -1"),
        ("verdict.delta={ssim: 0.1}", "delta names 'ssim', which is no metric of the rule (psnr)"),
        ("verdict.delta={pnsr: 0.1}", "unknown metric 'pnsr'; did you mean 'psnr'?"),
        ("verdict.alpha=0.5", "verdict.alpha must be less than 0.5, not 0.5"),
        ("verdict.alpha=0", "verdict.alpha must be greater than 0, not 0"),
        ("verdict.power=0.4", "verdict.power must be"),
        ("verdict.power=1", "verdict.power must be less than 1, not 1"),
        ("verdict.on=val", "verdict.on must be 'test', not 'val'"),
        ("verdict.spending=pocok", "did you mean 'pocock'?"),
        ("verdict.alfa=0.1", "unknown key of verdict: 'alfa'; did you mean 'alpha'?"),
    ],
)
def test_what_a_rule_cannot_say(override: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan(override)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"--set {override}: ")


def test_an_old_plan_has_the_default_rule() -> None:
    made = plan()
    old = Plan.from_json(made.to_json() | {"spec": {"study": "old"}, "baseline": None})
    rule = rule_of(old)
    assert rule.metrics == ("psnr",)
    assert rule.baseline == next(each.name for each in old.variants if each.role != "reference")


def test_rules_are_the_same_whatever_their_sentences() -> None:
    rule = rule_of(plan())
    read = Rule.from_json(rule.to_json() | {"sentence": "worded otherwise"})
    assert same_rule(rule, read)
    assert read.hash == rule.hash
    assert list(rule_changes(rule, read)) == []


def test_what_changed_between_rules_is_said() -> None:
    old, new = rule_of(plan()), rule_of(plan("verdict={delta: 0.1, alpha: 0.1, power: 0.9}"))
    assert list(rule_changes(old, new)) == [
        "the error rate from 5 % to 10 %",
        "the power from 80 % to 90 %",
        "the delta of psnr from 0.05 to 0.1",
    ]
    power = rule_of(plan("verdict.power=0.9"))
    assert not same_rule(old, power)
    assert power.hash == old.hash, "the power decides no word"
