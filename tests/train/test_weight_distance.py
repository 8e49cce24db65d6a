"""How far weights are apart: hand-computed on small tensors, and of real runs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tempo.train.evaluation import weight_distance as module
from tempo.train.evaluation.weight_distance import weight_distance


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Tensor]]:
    """Weights by folder, in place of those of recorded runs."""
    weights: dict[str, dict[str, Tensor]] = {}
    monkeypatch.setattr(module, "_chosen", lambda folder: (weights[folder.name], [7]))
    return weights


def measure() -> dict[str, object]:
    return weight_distance(Path("a"), Path("b"))


def test_equal_weights_are_equal(chosen: dict[str, dict[str, Tensor]]) -> None:
    chosen["a"] = {"enc.w": torch.tensor([1.0, 2.0]), "enc.n": torch.tensor(3)}
    chosen["b"] = {name: each.clone() for name, each in chosen["a"].items()}
    found = measure()
    assert found["equal"] is True and found["distance"] == 0.0 and found["relative"] == 0.0
    assert found["steps"] == [[7], [7]]


def test_the_distance_is_that_of_the_shared_tensors(chosen: dict[str, dict[str, Tensor]]) -> None:
    chosen["a"] = {"enc.w": torch.tensor([3.0, 4.0]), "dec.w": torch.zeros(2), "old": torch.ones(1)}
    chosen["b"] = {"enc.w": torch.tensor([3.0, 7.0]), "dec.w": torch.zeros(3), "new": torch.ones(1)}
    found = measure()
    assert found["equal"] is False
    assert found["distance"] == 3.0 and found["relative"] == pytest.approx(3 / 5)
    assert (found["largest"], found["largest_in"]) == (3.0, "enc.w")
    assert found["parts"] == {"enc": pytest.approx(3 / 5)}
    counts = [found[name] for name in ("shared", "other_shape", "only_before", "only_after")]
    assert counts == [1, 1, 1, 1]


def test_weights_that_are_no_numbers_have_no_distance(
    chosen: dict[str, dict[str, Tensor]],
) -> None:
    chosen["a"] = {"enc.w": torch.tensor([1.0])}
    chosen["b"] = {"enc.w": torch.tensor([math.nan])}
    found = measure()
    assert found["equal"] is False and found["distance"] is None
    assert found["largest"] is None and found["largest_in"] == "enc.w"
