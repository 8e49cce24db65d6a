"""The long form of the batch stands for two fields, in every layer that can write one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.errors import SpecError
from tempo.design.expand import expand
from tempo.spec.load import load_study

TEXT = """\
study: s
data: {kind: procedural}
recipe:
  batch: {global: 32, micro: 4}
  budget: {steps: 10}
factors:
  b: {path: recipe.batch, levels: {small: {global: 8, micro: 2}, large: 64}}
design:
  - {kind: factorial, factors: [b]}
profiles:
  tight: {recipe: {batch: {micro: 2}}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("profile", "override", "expected"),
    [
        (None, None, (32, 4)),
        ("tight", None, (32, 2)),
        (None, "recipe.batch=8", (8, 4)),
        (None, "recipe.batch.global=8", (8, 4)),
        ("tight", "recipe.batch.micro=auto", (32, "auto")),
        (None, "runtime.micro_batch=1", (32, 1)),
    ],
)
def test_each_layer_changes_what_it_names(
    spec: Path, profile: str | None, override: str | None, expected: tuple[int, object]
) -> None:
    made = load_study(spec, profile=profile, overrides=[override] if override else []).spec
    assert (made.recipe.batch, made.runtime.micro_batch) == expected


def test_levels_may_use_it(spec: Path) -> None:
    plan = expand(load_study(spec))
    configs = {v.levels["b"]: v.config for v in plan.variants if v.levels}
    found = {
        label: (config["recipe"]["batch"], config["runtime"]["micro_batch"])
        for label, config in configs.items()
    }
    assert found == {"small": (8, 2), "large": (64, 4)}


def test_the_micro_batch_alone_leaves_the_identity(spec: Path) -> None:
    runs = [
        {run.run_id for run in expand(load_study(spec, overrides=[text])).runs}
        for text in ("recipe.batch.micro=1", "recipe.batch.micro=3")
    ]
    assert runs[0] == runs[1]


def test_an_unknown_part_is_named_with_its_place(spec: Path) -> None:
    spec.write_text(TEXT.replace("micro: 4", "mikro: 4"))
    with pytest.raises(SpecError, match=r"s.yaml:4:23: unknown part of a batch 'mikro'.*micro"):
        load_study(spec)


def test_a_value_of_the_wrong_type_keeps_its_place(spec: Path) -> None:
    spec.write_text(TEXT.replace("global: 32", "global: many"))
    with pytest.raises(SpecError, match=r"s.yaml:4:19: recipe.batch"):
        load_study(spec)
