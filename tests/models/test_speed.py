"""Fast by construction: one layout from stem to head, one graph, no synchronisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd

from tempo.models.family import TempoNet, build_model
from tempo.models.layers import double, gathered_double
from tempo.models.norms import GroupNorm, eager_group_norm, fusible_group_norm
from tempo.spec import arch_slots as slots
from tempo.spec.arch import ArchSpec
from tempo.spec.presets import PRESETS
from tests.models.conformance import points, small

POINTS = points()
COPIES = {"aten::copy_", "aten::clone", "aten::contiguous"}


def batch(views: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    frames = torch.rand(2, views, 3, 16, 24)
    return frames, torch.arange(views).float().repeat(2, 1), torch.tensor([0.4, 0.6])


def copies_of_activations(net: nn.Module, *inputs: Tensor) -> list[str]:
    """Copies of four-dimensional tensors other than frames (3 channels), with their shapes.

    A copy from one number per channel fills a bias; it moves no activation.
    """
    with torch.no_grad(), torch.profiler.profile(record_shapes=True) as profile:
        net(*inputs)
    found = []
    for event in profile.events() or ():
        shapes = [shape for shape in event.input_shapes if shape]
        whole = bool(shapes) and all(len(shape) > 3 and shape[-3] != 3 for shape in shapes)
        if event.name in COPIES and whole:
            found.append(f"{event.name}{shapes}")
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_no_layout_copy_in_a_forward(name: str) -> None:
    net = build_model(ArchSpec.model_validate({**PRESETS.get(name), "base_channels": 8}), 0)
    assert copies_of_activations(net, *batch(3)) == []


def test_the_copy_counter_sees_a_copy() -> None:
    class Copying(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.contiguous()

    x = torch.rand(2, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    assert copies_of_activations(Copying(), x)


def is_wide(x: object) -> TypeGuard[Tensor]:
    """Whether `x` is an activation of more channels than a frame."""
    return isinstance(x, Tensor) and x.dim() == 4 and x.shape[1] > 3


@pytest.mark.parametrize("point", POINTS)
def test_every_part_hands_on_channels_last(point: str) -> None:
    net = build_model(POINTS[point], 0)
    wrong = []

    def check(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, out: object) -> None:
            pictures = [each for each in (out if isinstance(out, list) else [out]) if is_wide(each)]
            if not all(x.is_contiguous(memory_format=torch.channels_last) for x in pictures):
                wrong.append(name)

        return hook

    for name, module in net.named_modules():
        tokens = isinstance(module, nn.Linear | nn.LayerNorm)
        if name.startswith(("encoder", "decoder", "head", "fusion")) and not tokens:
            module.register_forward_hook(check(name))
    net(*batch())
    assert wrong == []


FORMS = [eager_group_norm, fusible_group_norm]
"""The two forms that CUDA takes; here they run on the CPU."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [8, 12, 48])
def test_group_norm_for_cuda_is_group_norm(form: Callable[..., Tensor], channels: int) -> None:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    leaf = 3 + random(2, channels, 5, 7)
    leaves = [
        leaf.contiguous(memory_format=torch.channels_last).requires_grad_(),
        random(channels).requires_grad_(),
        random(channels).requires_grad_(),
    ]
    groups, pull = channels // 4, random(2, channels, 5, 7)
    x, weight, bias = leaves
    ours = form(x, groups, weight, bias, 1e-5)
    theirs = nn.functional.group_norm(x, groups, weight, bias, 1e-5)
    assert torch.allclose(ours, theirs, atol=1e-12)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(
        torch.autograd.grad(ours, leaves, pull),
        torch.autograd.grad(theirs, leaves, pull),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_group_norm_for_cuda_keeps_half_types(form: Callable[..., Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (4 + torch.randn(2, 8, 16, 16, generator=generator)).bfloat16().requires_grad_()
    out = form(x, 2, torch.ones(8), torch.zeros(8), 1e-5)
    exact = nn.functional.group_norm(x.detach().double(), 2, eps=1e-5)
    assert out.dtype == torch.bfloat16
    # Scale and shift stay wide: the result is the exact one, rounded once to 8 bits.
    error = (out.detach().double() - exact).abs()
    assert bool((error <= exact.abs() * 2**-8 + 1e-5).all())
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert grad.dtype == torch.bfloat16


def test_group_norm_in_eager_mode_saves_its_input_once_and_as_it_is() -> None:
    x = torch.randn(2, 8, 16, 16).bfloat16().requires_grad_()
    saved: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        eager_group_norm(x, 2, torch.ones(8), torch.zeros(8), 1e-5)
    pictures = [tensor for tensor in saved if tensor.dim() == 4]
    assert [tensor.dtype for tensor in pictures] == [torch.bfloat16]


def test_group_norm_behind_frozen_layers_has_gradients() -> None:
    """PyTorch's own kernel ends the process here, so a failure shows as a crash."""
    norm = GroupNorm(slots.GroupNorm(), 8)
    x = torch.randn(2, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    norm(x).square().sum().backward()
    expected = nn.functional.group_norm(x, 2, eps=1e-5).square().sum((0, 2, 3)) * 2
    assert norm.weight.grad is not None
    assert torch.allclose(norm.weight.grad, expected, rtol=1e-4)


def traced(net: TempoNet, backend: str) -> Callable[..., Tensor]:
    torch._dynamo.reset()
    return torch.compile(net, fullgraph=True, dynamic=False, backend=backend)  # type: ignore[return-value]


def check_compiled(arch: ArchSpec, backend: str, tolerance: float) -> None:
    """One graph without a break, and not a second one for other contents of a batch."""
    net = build_model(arch, 0)
    nn.init.normal_(net.head.last.weight, std=0.1)
    compiled = traced(net, backend)
    frames, times, target = batch(3)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    compiled(frames, times, target, mask).sum().backward()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for later in (0.1, 1.7):
            other = frames.flip(0), 3 * times, target + later, mask.flip(0)
            out = compiled(*other)
            gap = (out - net(*other)).detach().abs().max()
            assert float(gap) < tolerance


QUICK = ["tempo_v2", "norm=group", "guidance+deformable", "motion=flow+iterations"]
UNLIKE = [
    "tempo_v3",
    "block=swin",
    "checkpointing",
    "fusion=deformable_attention",
    "motion=flow+iterations",
    "scene_cut=nearest",
    "time_encoder=transformer",
]
"""Points whose gradients take different ways: every other one is made of the same operations."""


@pytest.mark.parametrize(
    "point", [*QUICK, *(pytest.param(p, marks=pytest.mark.slow) for p in POINTS if p not in QUICK)]
)
@pytest.mark.timeout(600)
def test_one_graph_at_every_point(point: str) -> None:
    check_compiled(POINTS[point], "eager", 1e-5)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", UNLIKE)
def test_one_graph_forward_and_one_backward(point: str) -> None:
    """Both are traced operation by operation, which takes several times as long."""
    check_compiled(POINTS[point], "aot_eager", 1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_compiled_code_agrees() -> None:
    """With the compiler's own kernels; one block each way, because it takes minutes on a CPU."""
    few = small(blocks=[1, [], [], []], decoder={"kind": "refined", "refine": [0, 0, 1]})
    check_compiled(few, "inductor", 1e-4)


def bilinear(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 16, 8, 33), (2, 4, 1, 9), (1, 8, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_doubling_by_gathering_is_interpolation(
    shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(0)
    single = torch.randn(shape, generator=generator).contiguous(memory_format=layout)
    assert torch.allclose(gathered_double(single), bilinear(single), rtol=0, atol=5e-7)
    # Here every product is exact, so that fused multiply-adds of PyTorch's kernel change nothing.
    x = single.double()
    for exact in (x, single.bfloat16()):
        assert torch.equal(gathered_double(exact), bilinear(exact))
    pull = torch.randn_like(bilinear(x))
    grads = [
        torch.autograd.grad(form(leaf := x.clone().requires_grad_()), leaf, pull)[0]
        for form in (gathered_double, bilinear)
    ]
    assert torch.allclose(*grads, rtol=0, atol=1e-14)


def test_compiled_doubling_adds_nothing_atomically() -> None:
    """The graph of the backward pass holds neither a scatter nor an accumulating index."""
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, inputs: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled = torch.compile(double, fullgraph=True, backend=aot_autograd(fw_compiler=keep))
    x = torch.randn(1, 4, 3, 5, requires_grad=True)
    compiled(x).sum().backward()
    called = {str(node.target) for graph in graphs for node in graph.graph.nodes}
    assert len(graphs) == 2
    assert not {name for name in called if "index_put" in name or "scatter_add" in name}
    assert not {name for name in called if "upsample" in name}
