"""Device-hours, and the devices that an attempt recorded."""

import pytest

from tempo.records.run_record import device_hours, devices_of, gpus_of


def test_hours_are_counted_once_for_each_device() -> None:
    assert device_hours(5400) == 1.5
    assert device_hours(1800, 4) == 2.0


@pytest.mark.parametrize(
    ("environment", "devices", "gpus"),
    [
        ({"device": "NVIDIA H100", "world_size": 2}, 2, 2),
        ({"device": "cpu", "world_size": 2}, 2, 0),
        ({"device": "cuda"}, 1, 1),
        ({}, 1, 0),
        ({"device": "cuda", "world_size": "two"}, 1, 1),
    ],
)
def test_devices_are_read_from_the_environment(
    environment: dict[str, object], devices: int, gpus: int
) -> None:
    assert (devices_of(environment), gpus_of(environment)) == (devices, gpus)
