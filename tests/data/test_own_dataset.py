"""A data set of a plug-in is opened through the same functions as those of Tempo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest

from tempo.core.errors import PluginError
from tempo.core.plugins.parts import remove_part
from tempo.data.cache.splits import SplitName, SplitPlan
from tempo.data.datasets import procedural
from tempo.data.open_dataset import open_split
from tempo.plugins import register
from tempo.spec.data import DATASETS, Procedural
from tempo.spec.options import parse_slot


class Moving(Procedural):
    """Generated clips under another name."""

    kind: Literal["moving"] = "moving"  # type: ignore[assignment]


class MovingClips:
    """What the module of a data set of Tempo is."""

    @staticmethod
    def check_available(options: Moving, splits: Sequence[SplitName]) -> None:
        procedural.check_available(options, splits)

    @staticmethod
    def plan_split(options: Moving, split: SplitName, cache: Path) -> SplitPlan:
        return procedural.plan_split(options, split, cache)


@pytest.fixture
def registered() -> Iterator[None]:
    register("data", Moving, MovingClips)
    yield
    remove_part("data set", "moving")
    assert "moving" not in DATASETS


@pytest.mark.usefixtures("registered")
def test_it_is_named_and_opened(tmp_path: Path) -> None:
    options = parse_slot(DATASETS, {"kind": "moving", "size": [32, 32], "test_clips": 3})
    split = open_split(options, "test", tmp_path)
    assert len(split) == 3 and split[0].target.shape == (32, 32, 3)


def test_one_without_its_functions_is_refused() -> None:
    with pytest.raises(PluginError, match="check_available, plan_split is missing"):
        register("data", Moving, int)
