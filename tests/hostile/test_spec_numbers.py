"""Numbers without sense in a spec are refused with the rule, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

import tempo
from tempo.core.errors import SpecError
from tempo.design.expand import expand
from tempo.spec.load import load_study

SPEC = """
study: numbers
data: {kind: procedural, size: [48, 48], train_clips: 8, val_clips: 4}
recipe: {crop: 32, budget: {steps: 2}}
"""


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ("data.size=[0, 48]", "data.size.0 must be at least 8, not 0"),
        ("data.size=[48, -5]", "data.size.1 must be at least 8, not -5"),
        ("data.size=[100000, 48]", "data.size.0 must be at most 8,192, not 100000"),
        ("data.motion=[0, 1e9]", "data.motion.1 must be at most 1,024, not 1000000000.0"),
        ("data.motion=[8, 2]", "motion is the least, then the most displacement, not [8.0, 2.0]"),
        (f"data.train_clips={2**63}", f"must be at most 10,000,000, not {2**63}"),
        (f"data.seed={2**63}", f"must be less than {2**63:,}, not {2**63}"),
        ("recipe.crop=64", "pictures are only 48 pixels on their shorter side"),
        (
            "recipe.progressive_crop=[{until: 0.5, crop: 56}]",
            "pictures are only 48 pixels on their shorter side",
        ),
        ("recipe.batch=1000000", "recipe.batch must be at most 65,536, not 1000000"),
        (f"recipe.batch={2**63}", "recipe.batch must be at most 65,536"),
        (f"recipe.budget.steps={2**63}", "must be at most 1,000,000,000"),
        ("recipe.budget={epochs: 1e300}", "recipe.budget.epochs must be at most 1,000,000"),
        ("recipe.lr=1e300", "recipe.lr must be at most 1,000"),
        ("runtime.workers=1000000", "runtime.workers must be at most 256"),
        ("runtime.slots=1000000000", "runtime.slots must be at most 4,096"),
        ("runtime.threads=100000", "runtime.threads must be at most 1,024"),
        ("seeds=1000000000", "seeds is a count from 1 to 10,000 or a list"),
        ("seeds=1e38", "seeds is a count, a list of whole numbers, or a mapping"),
        (f"seeds=[0, {2**63}]", "seeds are distinct whole numbers from 0 to 2**63 - 1"),
        ("seeds={from: 3, to: 1000000000}", "seeds.to must be at most 10,000"),
        (
            "factors={lr: {path: recipe.lr, range: {low: 0.1, high: 1, step: 1e-12}}}",
            "a step of 1e-12 makes more than 1,000,000 values from 0.1 to 1",
        ),
    ],
)
def test_the_rule_and_the_value_are_said(override: str, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text(SPEC)
    with pytest.raises(SpecError) as caught:
        expand(load_study(path, overrides=[override]))
    assert rule in str(caught.value)
    assert f"--set {override}" in str(caught.value)


def test_only_variants_need_a_crop_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text(
        "study: numbers\ndata: {kind: procedural, size: [48, 48]}\nrecipe: {budget: {steps: 2}}\n"
        "factors: {crop: {path: recipe.crop, levels: {c32: 32, c48: 48}}}\n"
        "design: [{kind: factorial, factors: [crop]}]\n"
    )
    trained = [each for each in expand(load_study(path)).variants if each.role != "reference"]
    assert [each.config["recipe"]["crop"] for each in trained] == [32, 48]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (
            ["data.size=[8192, 8192]", "recipe.crop=8192", "recipe.batch=60000"],
            "the pictures of one batch (60,000 clips of 3 x 8192 x 8192 pixels) take 33,750 GiB",
        ),
        (
            ["data.size=[8192, 8192]", "data.train_clips=10000000"],
            "the cache needs 6039877.5 GB",
        ),
    ],
)
def test_what_the_machine_cannot_hold_is_said_before_anything_is_trained(
    overrides: list[str], rule: str, tmp_path: Path
) -> None:
    path, records = tmp_path / "numbers.yaml", tmp_path / "records"
    path.write_text(SPEC)
    study = tempo.load_study(
        path, mlflow="off", overrides=overrides, records=records, cache=tmp_path / "cache"
    )
    with pytest.raises(tempo.MissingError, match="cannot run on this machine") as caught:
        study.run(observer=tempo.SilentObserver())
    assert rule in str(caught.value)
    assert not list(records.glob("runs/*/events.jsonl"))
