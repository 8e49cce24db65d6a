"""Whole networks with fused kernels under Triton's interpreter; started by test_interpreter.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.backends.debugging import aot_eager

from tempo.core.errors import MissingError
from tempo.kernels import agreement
from tempo.kernels.selection import NAMES, recording, used, using
from tempo.losses import build_objective
from tempo.models.family import build_model
from tempo.spec.arch import ArchSpec
from tempo.spec.losses import Charbonnier
from tempo.spec.presets import PRESETS
from tempo.spec.study import RunConfig
from tempo.train.hardware.compiled_code import compile_network
from tempo.train.hardware.fused_kernels import Kernels, choose_kernels
from tempo.train.hardware.process_group import Group
from tests.kernels.comparing import needs_interpreter

needs_interpreter()

SMALL = {"widths": [8, 8, 8, 8], "base_channels": 8}
POINTS = {
    "v2": {**PRESETS.get("tempo_v2"), **SMALL},
    "v3": {**PRESETS.get("tempo_v3"), **SMALL, "blocks": [1, 1, 1, [1, 1]]},
    "v3 equal blocks": {**PRESETS.get("tempo_v3"), **SMALL, "blocks": [0, 0, 0, [3]]},
    "v3 fixed group": {
        **PRESETS.get("tempo_v3"),
        **SMALL,
        "blocks": [1, 1, 1, [1, 1]],
        "residual_group": {"kind": "fixed", "scale": 0.2},
    },
}


def loss_and_gradients(net: nn.Module, run: nn.Module) -> tuple[Tensor, dict[str, Tensor]]:
    random = torch.Generator().manual_seed(0)
    frames = torch.rand(1, 2, 3, 8, 8, generator=random)
    target = torch.rand(1, 3, 8, 8, generator=random)
    net.zero_grad()
    prediction = run(frames, torch.tensor([[0.0, 1.0]]), torch.tensor([0.4]))
    loss = build_objective(Charbonnier())(prediction, target, 0.0)[0].mean()
    loss.backward()
    grads = {name: each.grad for name, each in net.named_parameters() if each.grad is not None}
    return loss.detach(), {name: each.clone() for name, each in grads.items()}


def moved(point: str) -> nn.Module:
    """Return a network whose residual is not zero, so that every gradient flows."""
    net = build_model(ArchSpec.model_validate(POINTS[point]), 0)
    nn.init.normal_(net.head.last.weight, 0.0, 0.1)  # type: ignore[union-attr]
    return net


@pytest.mark.parametrize("point", POINTS)
def test_a_network_is_the_same_with_fused_kernels(point: str) -> None:
    torch.manual_seed(0)
    net = moved(point)
    plain_loss, plain = loss_and_gradients(net, net)
    with using(NAMES), recording() as calls:
        fused_loss, fused = loss_and_gradients(net, net)
    assert torch.allclose(plain_loss, fused_loss, rtol=1e-6)
    assert plain.keys() == fused.keys()
    for name, one in plain.items():
        scale = float(one.abs().max())
        assert torch.allclose(one, fused[name], rtol=1e-3, atol=1e-4 * scale + 1e-8), name
    wanted = {"group_norm", "blend", "charbonnier"} | ({"gated_sum"} if point != "v2" else set())
    assert {call.kernel for call in calls} == wanted


@pytest.mark.parametrize("mode", ["default", "regions"])
def test_compiled_it_holds_fused_operators(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = moved("v3 equal blocks")
    graphs: list[str] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Tensor]:
        bodies = [each for each in graph.modules() if isinstance(each, torch.fx.GraphModule)]
        graphs.append("\n".join(each.code for each in bodies))
        compiled: Callable[..., Tensor] = aot_eager(graph, inputs)
        return compiled

    with using(NAMES):
        eager_loss, eager = loss_and_gradients(net, net)
        torch._dynamo.reset()
        whole = partial(torch.compile, fullgraph=True, backend=keep)
        monkeypatch.setattr(torch, "compile", lambda model, mode: whole(model))
        loss, grads = loss_and_gradients(net, compile_network(net, mode))
    assert torch.allclose(eager_loss, loss, rtol=1e-5)
    for name, one in eager.items():
        scale = float(one.abs().max())
        assert torch.allclose(one, grads[name], rtol=1e-3, atol=1e-4 * scale + 1e-8), name
    assert len(graphs) == 1
    assert ("invoke_subgraph" in graphs[0]) == (mode == "regions")
    for operator in ("group_norm_act", "gated_sum", "blend"):
        assert f"tempo.{operator}" in graphs[0]
    assert "group_norm(" not in graphs[0].replace("group_norm_act", "")


def chosen_for(kernels: str) -> Kernels:
    config = RunConfig.model_validate(
        {
            "arch": POINTS["v3"],
            "data": "procedural",
            "recipe": {"batch": 1, "crop": 8, "budget": {"steps": 1}},
            "runtime": {"device": "cpu", "kernels": kernels},
        }
    )
    return choose_kernels(config, torch.device("cpu"), Group())


def test_a_run_takes_the_kernels_that_agree() -> None:
    with using(()):
        chosen = chosen_for("fused")
        assert used() == set(NAMES)
    assert chosen.name == "fused"
    assert chosen.left_out == {}
    assert 0 < max(chosen.differences.values()) < 2**-6


def test_a_run_leaves_out_a_kernel_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = agreement.plain_gated_sum
    monkeypatch.setattr(agreement, "plain_gated_sum", lambda *each: 1.05 * wrong(*each))
    with using(()):
        chosen = chosen_for("auto")
        assert used() == set(NAMES) - {"gated_sum"}
        assert "differs from the plain form by" in chosen.left_out["gated_sum"]
        with pytest.raises(MissingError, match="the kernel gated_sum cannot be used"):
            chosen_for("fused")
