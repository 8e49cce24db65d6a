"""Small runs side by side on one GPU."""

import pytest

from tempo.launch.accounting.gpu_usage import (
    CONTEXT_BYTES,
    MOST,
    parse_gpus,
    runs_that_fit,
    share_gpus,
)
from tempo.records.prices import Price

GPUS = [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
GIB = 2**30


def price(peak: int) -> Price:
    return Price(
        device="x",
        world_size=1,
        steps=3,
        step_ms=1.0,
        setup_s=1.0,
        validation_s=1.0,
        evaluation_s=1.0,
        peak_memory=peak,
    )


def test_every_gpu_gets_a_run_before_any_gets_a_second() -> None:
    assert share_gpus(GPUS, 2) == [*GPUS, *GPUS]
    assert share_gpus(GPUS, 1) == GPUS
    assert share_gpus([{}, {}], 3) == [{}, {}], "cores are not shared"


@pytest.mark.parametrize(
    ("peaks", "memory", "runs"),
    [
        ([2 * GIB, GIB], 10 * (2 * GIB + CONTEXT_BYTES) / 3 / 0.9, 3),
        ([20 * GIB], 16 * GIB, 1),
        ([1], 80 * GIB, MOST),
        ([GIB, 0], 80 * GIB, 1),
        ([GIB], None, 1),
        ([], 80 * GIB, 1),
    ],
)
def test_measured_memory_decides(peaks: list[int], memory: float | None, runs: int) -> None:
    assert runs_that_fit("auto", [price(peak) for peak in peaks], memory) == runs
    assert runs_that_fit(4, [], None) == 4


def test_what_was_not_measured_does_not_share() -> None:
    assert runs_that_fit("auto", [price(GIB), None], 80 * GIB) == 1


def test_what_nvidia_smi_says_and_what_it_does_not_know() -> None:
    first, second = parse_gpus("0, 37, 1024, 81559\n1, [N/A], [N/A], [N/A]\nbroken\n")
    assert (first.index, first.busy, first.used) == ("0", 37.0, GIB)
    assert str(first) == "GPU 0 37 %, 1.0 of 80 GiB"
    assert (second.busy, second.total) == (None, None)
    assert str(second) == "GPU 1 -"
