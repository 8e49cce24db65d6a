"""Division of devices into slots."""

from __future__ import annotations

import pytest

from tempo.core.errors import MissingError
from tempo.workflow.execution.pool_setup import limit_slots

GPUS = [{"CUDA_VISIBLE_DEVICES": str(number)} for number in range(4)]


def test_a_run_of_several_processes_takes_that_many_gpus() -> None:
    assert limit_slots(GPUS, None, 2) == [
        {"CUDA_VISIBLE_DEVICES": "0,1"},
        {"CUDA_VISIBLE_DEVICES": "2,3"},
    ]
    assert limit_slots(GPUS, None, 3) == [{"CUDA_VISIBLE_DEVICES": "0,1,2"}]
    assert limit_slots(GPUS[:1], 2, 1) == [GPUS[0], GPUS[0]]


def test_processes_share_cores_but_not_gpus() -> None:
    assert limit_slots([{}], None, 2) == [{}]
    with pytest.raises(MissingError, match="2 processes per run need 2 GPUs, this machine shows 1"):
        limit_slots(GPUS[:1], None, 2)
