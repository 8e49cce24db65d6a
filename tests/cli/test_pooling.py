"""From devices to slots."""

from __future__ import annotations

import pytest

from tempo.cli.pooling import _limit
from tempo.core.errors import MissingError

GPUS = [{"CUDA_VISIBLE_DEVICES": str(number)} for number in range(4)]


def test_a_run_of_several_processes_takes_that_many_gpus() -> None:
    assert _limit(GPUS, None, 2) == [
        {"CUDA_VISIBLE_DEVICES": "0,1"},
        {"CUDA_VISIBLE_DEVICES": "2,3"},
    ]
    assert _limit(GPUS, None, 3) == [{"CUDA_VISIBLE_DEVICES": "0,1,2"}]
    assert _limit(GPUS[:1], 2, 1) == [GPUS[0], GPUS[0]]


def test_processes_share_cores_but_not_gpus() -> None:
    assert _limit([{}], None, 2) == [{}]
    with pytest.raises(MissingError, match="2 processes per run need 2 GPUs, this machine shows 1"):
        _limit(GPUS[:1], None, 2)
