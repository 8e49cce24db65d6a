"""The choice of fused kernels: refused, compared, left out aloud; a CPU has none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tempo.core.errors import MissingError
from tempo.kernels.selection import NAMES, Call, use, used, using
from tempo.spec.study import RunConfig
from tempo.train.hardware import fused_kernels
from tempo.train.hardware.fused_kernels import (
    Kernels,
    calls_of,
    choose_kernels,
    compare,
    refusal,
)
from tempo.train.hardware.preflight import missing
from tempo.train.hardware.process_group import Group

CPU = torch.device("cpu")


def config_of(kernels: str, **recipe: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "arch": {"base_channels": 8, "blocks": [1, 1, 1, [1, 1]]},
            "data": "procedural",
            "recipe": {"batch": 2, "crop": 16, "budget": {"steps": 1}, **recipe},
            "runtime": {"device": "cpu", "kernels": kernels},
        }
    )


@pytest.mark.parametrize("asked", ["auto", "plain"])
def test_a_cpu_takes_the_plain_forms(asked: str) -> None:
    chosen = choose_kernels(config_of(asked), CPU, Group())
    assert chosen == Kernels()
    assert chosen.recorded() == {"kernels": "plain"}
    assert used() == frozenset()


def test_fused_kernels_on_a_cpu_are_refused_before_the_run_and_in_it() -> None:
    config = config_of("fused")
    said = "runtime.kernels is fused, and fused kernels run on NVIDIA GPUs alone; this run would "
    said += "be on the CPU (set runtime.kernels to auto or plain)"
    assert refusal(config) == said
    assert said in missing(config)
    with pytest.raises(MissingError, match="NVIDIA GPUs alone"):
        choose_kernels(config, CPU, Group())


def test_fused_kernels_in_float64_are_refused() -> None:
    assert "recipe.precision fp64" in (refusal(config_of("fused", precision="fp64")) or "")


def test_the_calls_are_those_of_the_run() -> None:
    before = torch.get_rng_state()
    calls = calls_of(config_of("auto"), CPU)
    assert torch.equal(before, torch.get_rng_state())
    kinds = {call.kernel for call in calls}
    assert kinds == set(NAMES)
    finest = [call for call in calls if call.kernel == "group_norm" and call.shape[2:] == (16, 16)]
    # Two clips of two views in the encoder, two fused pictures in the decoder.
    assert {call.shape[0] for call in finest} == {2, 4}
    (loss,) = [call for call in calls if call.kernel == "charbonnier"]
    assert loss == Call("charbonnier", (2, 3, 16, 16), torch.float32, (1e-3,))


def test_a_kernel_that_differs_or_fails_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def largest_difference(call: Call, kind: torch.dtype, device: torch.device) -> float:
        if call.kernel == "blend":
            raise RuntimeError("PassManager::run failed\nand much more")
        return 0.5 if call.kernel == "gated_sum" and kind is torch.bfloat16 else 1e-6

    monkeypatch.setattr(fused_kernels, "largest_difference", largest_difference)
    calls = [Call(name, (2, 4, 8, 8), torch.float32) for name in NAMES]
    left_out, differences = compare(calls, [torch.float32, torch.bfloat16], CPU)
    assert left_out == {
        "gated_sum": "differs from the plain form by 0.5 of the largest value on [2, 4, 8, 8] in "
        "bfloat16; 0.016 is allowed",
        "blend": "failed on [2, 4, 8, 8] in float32: RuntimeError: PassManager::run failed",
    }
    assert differences["group_norm"] == 1e-6


def test_what_is_no_number_is_no_agreement() -> None:
    nan = torch.tensor([float("nan")])
    from tempo.kernels import agreement

    assert agreement._share(nan, torch.ones(1, dtype=torch.float64)) == float("inf")


def test_a_comparison_that_does_not_fit_is_of_one_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    def largest_difference(call: Call, kind: torch.dtype, device: torch.device) -> float:
        seen.append(call.shape[0])
        if call.shape[0] > 1:
            raise torch.OutOfMemoryError
        return 0.0

    monkeypatch.setattr(fused_kernels, "largest_difference", largest_difference)
    calls = [Call("blend", (8, 2, 4, 8, 8), torch.float32)]
    assert compare(calls, [torch.float32], CPU) == ({}, {"blend": 0.0})
    assert seen == [8, 1]


def test_the_record_names_what_is_fused() -> None:
    some = Kernels(("blend",), {"gated_sum": "why"}, {"blend": 1e-6}, 2.04)
    assert some.recorded() == {
        "kernels": "fused: blend",
        "kernels_compared": {"differences": {"blend": 1e-6}, "seconds": 2.0},
    }
    assert Kernels(NAMES, {}, dict.fromkeys(NAMES, 0.0)).name == "fused"


def test_a_switch_names_kernels_there_are_and_is_put_back() -> None:
    with pytest.raises(ValueError, match="no fused kernel is called 'norm'"):
        use(["norm"])
    with using(["blend"]):
        assert used() == {"blend"}
    assert used() == frozenset()
