"""Networks are compiled as `runtime.compile` says; a second process finds what the first built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.backends.debugging import aot_eager

from tempo.core.errors import MissingError
from tempo.models.blocks import Chain
from tempo.models.family import TempoNet, build_tempo
from tempo.spec.arch import ArchSpec
from tempo.train.hardware.compiled_code import VARIABLE, Graphs, compile_network, keep_compiled
from tempo.train.hardware.preflight import small_trainer
from tempo.train.hardware.process_group import Group
from tempo.train.optim.micro_batches import Backward

from .conftest import config

SCRIPT = """
import sys, torch
from pathlib import Path
from tempo.train.hardware.compiled_code import compiled_graphs, keep_compiled
keep_compiled(Path(sys.argv[1]), torch.device("cpu"))
before = compiled_graphs()
x = torch.rand(4, 3, requires_grad=True)
torch.compile(lambda x: (x * 2).tanh().sum())(x).backward()
graphs = compiled_graphs().since(before)
print("cold" if graphs.cold else "warm", graphs)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="compiling needs a C++ compiler"
)
def test_the_second_process_is_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert [each.split()[0] for each in said] == ["cold", "warm"]
    assert said[1].endswith("warm: all of it was in the cache\n")
    (folder,) = (tmp_path / "compiled").iterdir()
    assert any(folder.rglob("*"))


def test_a_place_of_the_users_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own"))
    assert keep_compiled(tmp_path, torch.device("cpu")) == tmp_path / "own"


def test_whatever_was_built_makes_it_cold() -> None:
    assert Graphs(built=1, found=5).cold
    assert Graphs(built=0, found=0).cold
    assert not Graphs(built=2, found=5).since(Graphs(built=2, found=3)).cold


SMALL: dict[str, Any] = {
    "base_channels": 4,
    "blocks": [0, 2, 0, [4]],
    "decoder": {"kind": "refined", "refine": [0, 0, 1]},
}
KINDS = 4
"""Kinds of blocks in it: of scale 1/2, of 1/8 dilated and not, of the decoder."""


def network(**over: Any) -> TempoNet:
    net = build_tempo(ArchSpec.model_validate({**SMALL, **over}), 0)
    nn.init.normal_(net.head.last.weight, 0.0, 0.1)
    return net


def stepped(net: nn.Module, run: nn.Module, side: int) -> tuple[Tensor, list[Tensor]]:
    """Return the output for random frames and the gradients of its mean square."""
    random = torch.Generator().manual_seed(side)
    frames = torch.rand(1, 2, 3, side, side, generator=random)
    net.zero_grad()
    out = run(frames, torch.tensor([[0.0, 1.0]]), torch.tensor([0.4]))
    out.square().mean().backward()
    return out.detach(), [e.grad.clone() for e in net.parameters() if e.grad is not None]


def captured(monkeypatch: pytest.MonkeyPatch) -> list[torch.fx.GraphModule]:
    """Let `torch.compile` collect graphs without a break, and run them without generating code."""
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Tensor]:
        graphs.append(graph)
        compiled: Callable[..., Tensor] = aot_eager(graph, inputs)
        return compiled

    torch._dynamo.reset()
    whole = partial(torch.compile, fullgraph=True, backend=keep)
    monkeypatch.setattr(torch, "compile", lambda model, mode: whole(model))
    return graphs


def bodies(graph: torch.fx.GraphModule) -> list[object]:
    """Return the body of each region that a graph calls, in order."""
    calls = graph.graph.find_nodes(
        op="call_function", target=torch.ops.higher_order.invoke_subgraph
    )
    return [call.args[0].target for call in calls]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_regions_compile_equal_blocks_once(
    monkeypatch: pytest.MonkeyPatch, checkpointing: bool
) -> None:
    """Chains that recompute their activations stay whole."""
    net = network(checkpointing=checkpointing)
    blocks = sum(len(each.blocks) for each in net.modules() if isinstance(each, Chain))
    exact = [stepped(net, net, side) for side in (16, 24)]
    graphs = captured(monkeypatch)
    run = compile_network(net, "regions")
    for side, (out, grads) in zip((16, 24), exact, strict=True):
        found, own = stepped(net, run, side)
        torch.testing.assert_close(found, out)
        torch.testing.assert_close(own, grads)
    # The compiler may take a region back into the network where no other one is equal.
    saved = [len(bodies(graph)) - len(set(bodies(graph))) for graph in graphs]
    assert set(saved) == {0 if checkpointing else blocks - KINDS}
    # A region is a call where nothing is compiled: the same bits.
    assert all(
        torch.equal(a, b) for a, b in zip(stepped(net, net, 16)[1], exact[0][1], strict=True)
    )


@pytest.mark.slow
def test_the_default_compiles_the_network_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = captured(monkeypatch)
    net = network()
    stepped(net, compile_network(net, "default"), 16)
    assert [bodies(graph) for graph in graphs] == [[]]


def test_off_compiles_nothing() -> None:
    net = network()
    assert compile_network(net, "off") is net


def test_regions_are_for_one_process() -> None:
    trainer = small_trainer(config(), torch.device("cpu"))
    given = (trainer.model, trainer.objectives[0], trainer.precision, trainer.scaler)
    with pytest.raises(MissingError, match="for runs of one process, and this one has 2"):
        Backward(*given, Group(world=2), micro=1, halves=False, compile_mode="regions")
