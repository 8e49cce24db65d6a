"""Count device-hours: the time of a run multiplied by the devices that it held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def device_hours(seconds: float, devices: float = 1) -> float:
    """Return the hours that `devices` held for `seconds` amount to."""
    return seconds * devices / 3600


def devices_of(environment: Mapping[str, Any]) -> int:
    """Return how many devices (GPUs, or slots of a CPU) an attempt recorded that it used."""
    devices = environment.get("world_size", 1)
    return devices if isinstance(devices, int) else 1


def gpus_of(environment: Mapping[str, Any]) -> int:
    """Return how many GPUs an attempt recorded that it used: none where its device was a CPU."""
    on_cpu = str(environment.get("device", "cpu")).startswith("cpu")
    return 0 if on_cpu else devices_of(environment)
