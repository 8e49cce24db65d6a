"""Processes that train one run together."""

from __future__ import annotations

import pytest
import torch

from tempo.core.errors import MissingError
from tempo.train.hardware.process_group import join_group


def test_alone_there_is_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    group = join_group(cuda=True)
    assert (group.rank, group.world, group.leads) == (0, 1, True)


def test_more_processes_than_gpus_is_said_before_nccl_says_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(MissingError, match="2 processes need a GPU each, and this machine shows 1"):
        join_group(cuda=True)
