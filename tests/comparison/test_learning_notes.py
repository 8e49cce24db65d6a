"""A study in which nothing was learned says so first; checkpoints chosen by chance are named."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.comparison.query import Query
from tempo.comparison.sections.learning_notes import loss_by_choice
from tempo.records.layout import Store

STEADY = {"seed": 0.0, "clip": 0.0, "residual": 0.0, "shared": 0.0}
CHOSEN = Mapping[str, Mapping[int, tuple[int, float]]]


def compared(
    make: ModuleType,
    root: Path,
    gains: Mapping[str, float],
    chosen: CHOSEN | None = None,
    seed_noise: float = 0.0,
    **question: Any,
) -> Comparison:
    """A study of three seeds whose variants stand `gains` dB above averaging."""
    chosen = chosen or {}
    arms = [
        make.Arm(name=name, gain=gain, chosen=chosen.get(name, {})) for name, gain in gains.items()
    ]
    arms.append(make.Arm(name="average", role="reference"))
    noise = make.Noise(**STEADY | {"seed": seed_noise})
    study = make.Study(arms=arms, seeds=3, noise=noise, baseline=next(iter(gains)))
    return compare(Store(root), make.write_study(root, study), Query(**question))


def of_checkpoints(found: Comparison) -> list[str]:
    return [sentence for sentence in found.headline if "choice of a checkpoint" in sentence]


@pytest.mark.parametrize("detail", ["table", "full"])
def test_no_variant_beats_averaging(planted: ModuleType, tmp_path: Path, detail: str) -> None:
    found = compared(planted, tmp_path, {"a": 0.004, "b": -0.3}, detail=detail)
    assert found.headline[0] == (
        "Learned nothing over averaging: no trained variant beats the mean of the two frames by "
        "0.02 dB of PSNR (a +0.004 dB; b -0.300 dB), so verdicts between them say nothing about "
        "the networks."
    )
    assert found.headline[1].startswith("Against a in PSNR:")


def test_one_variant_learned_nothing(planted: ModuleType, tmp_path: Path) -> None:
    found = compared(planted, tmp_path, {"a": 1.5, "b": 0.019, "c": 0.021})
    assert found.headline[0] == (
        "Learned nothing over averaging, by 0.02 dB of PSNR at least: b +0.019 dB; what is said of "
        "the others stands."
    )


def test_nothing_is_said_where_all_beat_averaging(planted: ModuleType, tmp_path: Path) -> None:
    found = compared(planted, tmp_path, {"a": 1.5, "b": 0.021})
    assert not any("Learned nothing" in sentence for sentence in found.headline)
    assert found.headline[0].startswith("Against a in PSNR:")


def test_an_early_choice_that_test_ranks_lower_is_noise(
    planted: ModuleType, tmp_path: Path
) -> None:
    """Four of nine runs were reported from half of their steps, with 0.5 dB less on test."""
    early = (500, -0.5)
    chosen = {"a": {0: early}, "b": {1: early, 2: early}, "c": {0: early}}
    gains = {"a": 1.0, "b": 1.0, "c": 1.0}
    found = compared(planted, tmp_path, gains, chosen, seed_noise=0.02, detail="table")
    (said,) = of_checkpoints(found)
    assert said.startswith(
        "The choice of a checkpoint is noise here: validation chose an earlier step than the last "
        "in 4 of 9 runs, and among runs of one variant a step chosen half a training earlier "
        "scores 0."
    )
    loss = float(said.split("earlier scores ")[1].split(" dB")[0])
    assert loss == pytest.approx(0.5, abs=0.05)
    assert said.endswith("`evaluation: {select: last}` reports the last step of every run.")


def test_choices_that_cost_nothing_are_no_noise(planted: ModuleType, tmp_path: Path) -> None:
    """The same choices, of checkpoints that are as good as the last."""
    early = (500, 0.0)
    chosen = {"a": {0: early}, "b": {1: early, 2: early}, "c": {0: early}}
    found = compared(planted, tmp_path, {"a": 1.0, "b": 1.0, "c": 1.0}, chosen, seed_noise=0.1)
    assert not of_checkpoints(found)


def test_an_early_choice_that_test_confirms_is_right(planted: ModuleType, tmp_path: Path) -> None:
    """Training went too far, and validation saw it."""
    early = (500, 0.5)
    chosen = {"a": {0: early}, "b": {1: early, 2: early}, "c": {0: early}}
    found = compared(planted, tmp_path, {"a": 1.0, "b": 1.0, "c": 1.0}, chosen, seed_noise=0.02)
    assert not of_checkpoints(found)


def test_false_alarms_are_as_rare_as_said() -> None:
    """Steps and results without any relation: the sentence comes in 5 % of studies at most."""
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(2000):
        groups = [
            np.c_[rng.choice([0.25, 0.5, 0.75, 1.0], 3), rng.normal(0, 1.0, 3)] for _ in "abcde"
        ]
        alarms += loss_by_choice(groups) is not None
    assert 0.02 < alarms / 2000 < 0.07
