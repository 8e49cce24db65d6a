"""What is said of the machine beside the training."""

from __future__ import annotations

import mmap

import psutil
import pytest
import torch

from tempo.train.hardware import device
from tempo.train.run.system_metrics import SystemMeter

CPU = torch.device("cpu")


def test_a_sample_has_the_names_that_mlflow_groups_as_system_metrics() -> None:
    found = SystemMeter(CPU).sample()
    assert set(found) == {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
        "system/process_memory_usage_megabytes",
    }
    assert 0 <= found["system/cpu_utilization_percentage"] <= 100
    resident = psutil.Process().memory_info().rss / 1e6
    assert 0.5 * resident < found["system/process_memory_usage_megabytes"]
    assert found["system/system_memory_usage_megabytes"] * 1e6 < psutil.virtual_memory().total


def test_samples_keep_their_distance() -> None:
    often, seldom = SystemMeter(CPU, interval=0.0), SystemMeter(CPU, interval=60.0)
    assert seldom.sample() and not seldom.sample()
    assert often.sample() and often.sample()


def test_memory_grows_with_what_is_held() -> None:
    meter = SystemMeter(CPU, interval=0.0)
    before = meter.sample()["system/process_memory_usage_megabytes"]
    # Pages of its own: training keeps freed ones, which a tensor would be given again.
    with mmap.mmap(-1, 100_000_000) as held:
        held.write(b"\1" * len(held))
        after = meter.sample()["system/process_memory_usage_megabytes"]
        assert after - before > 0.5 * len(held) / 1e6


def test_peak_memory_is_known_without_the_module_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no such module."""
    usual = device.peak_memory()

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(device, "import_module", missing)
    assert 0 < device.peak_memory() <= 1.1 * usual
