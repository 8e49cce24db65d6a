"""The examples of docs/spec.md are true."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tempo.design.design_kinds import RULES
from tempo.design.expand import expand
from tempo.design.measurements import Config, Unmeasured, Width
from tempo.spec.designs import DESIGNS
from tempo.spec.load import load_study
from tempo.spec.study import StudySpec

from .conftest import HEAD, PlanOf

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/spec.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_whole_study_plans(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    path = tmp_path / "ablations/my_study.yaml"
    path.parent.mkdir()
    path.write_text(BLOCKS[0])
    plan = expand(load_study(path, profile="demo"))
    assert len(plan.runs) == 4 * 2 + 2


class Counted(Unmeasured):
    """Any width matches."""

    def width(self, config: Config, target: Config, by: str) -> Width | None:
        return Width(base_channels=127, cost=1.0, wanted=1.0)


@pytest.mark.parametrize("block", BLOCKS[1:])
def test_every_fragment_is_valid(plan_of: PlanOf, block: str) -> None:
    factors = (
        "factors:\n"
        "  block: {path: arch.block, levels: {conv: pre_act, swin: swin}}\n"
        "  conditioning: {path: arch.conditioning, levels: {film: film, "
        "film_attention: film_attention, none: none}}\n"
        "  lr: {path: recipe.lr, levels: {5e-5: 5e-5}}\n"
    )
    if block.startswith("factors:"):
        block = factors + block.removeprefix("factors:\n")
    elif block.startswith("exclude:"):
        sizes = "  size: {path: arch.base_channels, levels: {large: 64, huge: 96}}\n"
        block = factors + sizes + block
    elif block.startswith("variants:"):
        block = factors + block
    elif block.startswith("design:"):
        block = "variants: {V2: {set: {arch: {preset: tempo_v2}}}, V3: {}}\n" + block
    if "factors:" in block and "design:" not in block and "search:" not in block:
        block += "design: []\n"
    assert plan_of(block, head=HEAD, measured=Counted()).study == "s"


def test_every_design_and_key_is_described() -> None:
    assert set(RULES) == {DESIGNS.get(name) for name in DESIGNS}
    for name in (*DESIGNS, *StudySpec.model_fields):
        assert f"`{name}`" in TEXT
