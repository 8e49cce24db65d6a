"""Each trap of docs/models.md, by a test that fails on the trap."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tempo.models.family import TempoNet, build_model
from tempo.models.fusion import DeformableAttention, WindowAttention
from tempo.models.layers import double
from tempo.models.temporal.time_encoders import make_time_encoder
from tempo.models.temporal.weighting import relative
from tempo.spec import arch_slots as slots
from tempo.spec.arch import ArchSpec
from tempo.spec.presets import PRESETS
from tests.models.conformance import small

TRIPLET = torch.tensor([[0.0, 1.0]])


def closest(codes: Tensor) -> float:
    """The smallest distance between any two rows, as a share of the codes' spread."""
    distances = torch.pdist(codes.detach())
    return float(distances.min() / distances.mean())


def encoder(options: Any) -> nn.Module:
    return make_time_encoder(options, views=True, target=True).double()


# 1. Aliasing


def test_distinct_times_have_distinct_encodings() -> None:
    grid = torch.linspace(-2, 2, 1025, dtype=torch.float64)
    assert closest(encoder(slots.Sinusoidal()).features(grid)) > 0.05
    assert closest(encoder(slots.TimeTransformer()).features(grid)) > 0.05


def test_the_seeds_octaves_alias_as_documented() -> None:
    features = encoder(slots.SinusoidalOctaves()).features
    whole = features(torch.tensor([0.0, 1.0, -1.0, 2.0], dtype=torch.float64))
    half = features(torch.tensor([-0.5, 0.5], dtype=torch.float64))
    assert torch.allclose(whole, whole[:1].expand_as(whole), atol=1e-3)
    assert torch.allclose(half[0], half[1], atol=1e-3)


# 2. The decoder knows the target time


@pytest.mark.parametrize("kind", slots.TIME_ENCODERS)
def test_the_targets_code_follows_the_target_time(kind: str) -> None:
    arch = small(time_encoder=kind)
    net = build_model(arch, 0)
    targets = torch.linspace(0.05, 0.95, 19)
    moments = relative(TRIPLET.expand(19, -1), targets)
    _, codes = net.time_encoder(moments)
    assert closest(codes) > 0.01


@pytest.mark.parametrize("preset", ["tempo_v2", "tempo_v3"])
@pytest.mark.parametrize("kind", slots.CONDITIONING)
def test_conditioning_still_sees_the_time_after_20_steps(preset: str, kind: str) -> None:
    given = {**PRESETS.get(preset), "base_channels": 8, "conditioning": kind}
    net = build_model(ArchSpec.model_validate({**given, "temporal_weights": "uniform"}), 0)
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    frames = torch.rand(4, 2, 3, 16, 16, generator=generator)
    for _ in range(20):
        target = torch.rand(4, generator=generator)
        wanted = torch.lerp(frames[:, 0], frames[:, 1], target[:, None, None, None])
        optimiser.zero_grad()
        (net(frames, TRIPLET.expand(4, -1), target) - wanted).square().mean().backward()
        optimiser.step()
    with torch.no_grad():
        outs = [net(frames, TRIPLET.expand(4, -1), torch.full((4,), t)) for t in (0.25, 0.75)]
    moved = float((outs[0] - outs[1]).abs().mean())
    assert moved == 0 if kind == "none" else moved > 1e-4


# 3. Initialisation


def stem_gradient(preset: str, init: str) -> float:
    base: dict[str, Any] = {**PRESETS.get(preset), "base_channels": 16}
    kind = "film" if preset == "tempo_v2" else "film_attention"
    arch = ArchSpec.model_validate({**base, "conditioning": {"kind": kind, "init": init}})
    net = build_model(arch, 0)
    generator = torch.Generator().manual_seed(0)
    nn.init.normal_(net.head.last.weight, std=0.05, generator=generator)
    frames = torch.rand(2, 2, 3, 32, 32, generator=generator)
    out = net(frames, TRIPLET.expand(2, -1), torch.tensor([0.3, 0.6]))
    (out - frames[:, 0]).abs().mean().backward()
    gradient = net.encoder.stages[0].entry.conv.weight.grad
    assert isinstance(gradient, Tensor)
    return float(gradient.norm())


def test_the_stems_gradients_are_of_one_order_in_v2_and_v3() -> None:
    ratio = stem_gradient("tempo_v3", "identity") / stem_gradient("tempo_v2", "identity")
    assert 0.25 < ratio < 4


def test_the_seeds_initialisation_starves_v2_alone() -> None:
    """The confound that `conditioning.init` is there to measure."""
    starved = stem_gradient("tempo_v2", "identity") / stem_gradient("tempo_v2", "seed")
    unharmed = stem_gradient("tempo_v3", "identity") / stem_gradient("tempo_v3", "seed")
    assert starved > 10 * unharmed


@pytest.mark.parametrize(("init", "low", "high"), [("identity", 0.9, 1.1), ("seed", -0.02, 0.02)])
def test_where_gamma_starts(init: str, low: float, high: float) -> None:
    arch = small(conditioning={"kind": "film", "init": init})
    net = build_model(arch, 0)
    codes, _ = net.time_encoder(relative(TRIPLET, torch.tensor([0.5])))
    film = net.encoder.stages[0].conditioning
    gamma = film.last(film.hidden(codes)).detach()[..., : arch.channels[0]]
    assert low < float(gamma.min())
    assert float(gamma.max()) < high
    assert float(gamma.std()) > 1e-4


# 4. Windowed and deformable attention


def attention_inputs(views: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, views, 8, 16, 24, generator=generator, dtype=torch.float64)
    weights = torch.full((2, views, 1, 1), 1 / views, dtype=torch.float64)
    return features, weights, torch.ones(2, views, dtype=torch.bool)


def fusion(options: Any, kind: type[nn.Module]) -> Any:
    torch.manual_seed(0)
    return kind(options, 8).double()


def test_every_window_has_its_own_picture_and_one_bias() -> None:
    """Windows swapped in the input are swapped in the output, whatever the bias has learned."""
    part = fusion(slots.WindowAttention(), WindowAttention)
    nn.init.normal_(part.bias.table)
    features, weights, mask = attention_inputs()
    out = part(features, weights, mask)
    rolled = part(features.roll((8, 16), (3, 4)), weights, mask)
    assert torch.allclose(rolled, out.roll((8, 16), (2, 3)), atol=1e-12)


def test_window_attention_is_the_textbooks_in_one_window() -> None:
    part = fusion(slots.WindowAttention(window=4, heads=2), WindowAttention)
    nn.init.normal_(part.bias.table)
    features, weights, mask = attention_inputs()
    weights = torch.tensor([0.3, 0.7], dtype=torch.float64)[None, :, None, None].expand(2, -1, 1, 1)
    corner = features[:, :, :, :4, :4]
    out = part(features, weights, mask)[:, :, :4, :4]

    tokens = corner.permute(0, 1, 3, 4, 2).flatten(1, 3)
    base = (corner * weights.unsqueeze(2)).sum(1).permute(0, 2, 3, 1).flatten(1, 2)
    query, key, value = part.query(base), part.key(tokens), part.value(tokens)
    bias, mixed = part.bias(), []
    for head in range(2):
        own = slice(4 * head, 4 * head + 4)
        scores = query[..., own] @ key[..., own].mT / math.sqrt(4) + bias[head].repeat(1, 2)
        scores = scores + torch.tensor([0.3, 0.7]).double().log().repeat_interleave(16)
        mixed.append(scores.softmax(-1) @ value[..., own])
    expected = base + part.out(torch.cat(mixed, -1))
    assert torch.allclose(out.permute(0, 2, 3, 1).flatten(1, 2), expected, atol=1e-12)


def still(part: Any, offset: tuple[float, float] = (0.0, 0.0)) -> Any:
    """All places at one fixed offset (x, y) in pixels."""
    with torch.no_grad():
        part.offsets.weight.zero_()
        part.offsets.bias.view(-1, 2).copy_(torch.tensor(offset))
    return part


def test_zero_offsets_sample_their_own_position() -> None:
    part = still(fusion(slots.DeformableAttention(), DeformableAttention))
    features, weights, mask = attention_inputs()
    own = (features * weights.unsqueeze(2)).sum(1)
    values = torch.stack([part.value(features[:, i]) for i in range(2)], 1)
    scores = part.scores(
        torch.cat((own.unsqueeze(1).expand_as(features), features), 2).flatten(0, 1)
    )
    weighed = scores.unflatten(1, (4, 4)).unflatten(0, (2, 2)).permute(0, 2, 1, 3, 4, 5)
    share = weighed.flatten(2, 3).softmax(2).unflatten(2, (2, 4)).sum(3).movedim(1, 2)
    expected = own + part.out((values * share.repeat_interleave(2, 2)).sum(1))
    assert torch.allclose(part(features, weights, mask), expected, atol=1e-12)


def test_deformable_attention_reaches_across_windows() -> None:
    """Every place 13 pixels to the right: farther than any 8x8 window, and exactly there."""
    part = still(fusion(slots.DeformableAttention(), DeformableAttention), (13.0, 0.0))
    nn.init.zeros_(part.scores.weight)
    nn.init.zeros_(part.scores.bias)
    features, weights, mask = attention_inputs()
    moved = part(features, weights, mask) - features.mean(1)
    there = part.value(features.flatten(0, 1)).unflatten(0, (2, 2)).mean(1)
    assert torch.allclose(moved[..., :11], part.out(there)[..., 13:], atol=1e-12)


@pytest.mark.parametrize("heads", [1, 4])
def test_the_number_of_kernels_does_not_grow(heads: int) -> None:
    """No loop over views, heads or points: the same number of operators for more of each."""

    def operators(views: int, points: int) -> int:
        arch = small(fusion={"kind": "deformable_attention", "heads": heads, "points": points})
        net = build_model(arch, 0)
        frames, times = torch.rand(1, views, 3, 16, 16), torch.arange(views)[None].float()
        with torch.no_grad(), torch.profiler.profile() as profile:
            net(frames, times, torch.tensor([0.5]))
        skipped = {"aten::fill_", "aten::zero_", "aten::empty", "aten::resize_"}
        return sum(event.count for event in profile.key_averages() if event.key not in skipped)

    assert operators(2, 2) == operators(8, 6)


# 5. to 8.


@pytest.mark.parametrize("name", PRESETS)
def test_one_output_and_nothing_untrained_weighs_it(name: str) -> None:
    """A fresh residual network is exactly its time-weighted blend."""
    net = build_model(ArchSpec.model_validate({**PRESETS.get(name), "base_channels": 8}), 0)
    frames, target = torch.rand(2, 2, 3, 13, 22), torch.tensor([0.25, 0.5])
    times = TRIPLET.expand(2, -1)
    moments = relative(times, target)
    codes, _ = net.time_encoder(moments)
    weights = net.temporal_weights(codes, moments)
    out = net(frames, times, target)
    assert isinstance(out, Tensor)
    assert torch.allclose(out, torch.einsum("bnchw,bn->bchw", frames, weights), atol=1e-6)


def test_resampling_keeps_pixel_centres() -> None:
    """`align_corners=False`: doubling a ramp gives the ramp, a quarter pixel to each side."""
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    inner = double(ramp)[0, 0, 4, 1:-1]
    assert torch.allclose(
        inner, torch.arange(7).repeat_interleave(2) + torch.tensor([0.25, 0.75]).repeat(7)
    )


def test_a_residual_group_scales_the_change_alone() -> None:
    """x0 + s * (chain(x0) - x0): at s = 0 the input, at s = 1 the chain."""
    group = build_model(small(), 0).encoder.stages[1].groups[0]
    x = torch.randn(1, 12, 8, 8)
    with torch.no_grad():
        end = group.blocks(x)
        for scale, expected in ((0.0, x), (1.0, end), (0.1, x + 0.1 * (end - x))):
            group.group.scale.fill_(scale)
            assert torch.allclose(group(x), expected, atol=1e-6)


@pytest.mark.parametrize("preset", ["tempo_v2", "tempo_v3"])
def test_at_an_anchors_time_training_approaches_the_anchor(preset: str) -> None:
    net = build_model(ArchSpec.model_validate({**PRESETS.get(preset), "base_channels": 8}), 0)
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3)

    def error(train: bool) -> float:
        frames = torch.rand(4, 2, 3, 16, 16, generator=generator)
        which = torch.randint(2, (4,), generator=generator)
        out = net(frames, TRIPLET.expand(4, -1), which.float())
        loss = (out - frames[torch.arange(4), which]).abs().mean()
        if train:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    before = error(train=False)
    for _ in range(60):
        error(train=True)
    assert error(train=False) < before / 2


@pytest.mark.parametrize("views", [1, 17])
def test_the_number_of_views_has_bounds(views: int) -> None:
    net = build_model(small(), 0)
    with pytest.raises(ValueError, match=f"2 to 16 views, not {views}"):
        net(torch.rand(1, views, 3, 8, 8), torch.rand(1, views), torch.rand(1))


def test_the_family_is_one_class() -> None:
    assert {type(build_model(small(block=kind), 0)) for kind in slots.BLOCKS} == {TempoNet}
