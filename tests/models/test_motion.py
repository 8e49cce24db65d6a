"""The warping slot: where it starts, what it compares, and that it learns a motion."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.family import build_model
from tempo.models.motion import FlowMotion, views_across, warp
from tempo.models.temporal.weighting import relative
from tempo.models.weight_transfer import copy_weights_of
from tempo.spec import arch_slots as slots
from tempo.spec.arch import ArchSpec
from tempo.spec.presets import PRESETS
from tempo.spec.sections.start import Init
from tests.models.conformance import awake, clip, small

SMALL = slots.FlowMotion(channels=16, levels=2)


def across(times: list[float], target: float, used: list[bool] | None = None) -> list[list[float]]:
    mask = None if used is None else torch.tensor([used])
    moments = relative(torch.tensor([times]).float(), torch.tensor([target]), mask)
    found: list[list[float]] = views_across(moments)[0].tolist()
    return found


@pytest.mark.parametrize("preset", ["tempo_v2", "tempo_v3"])
@pytest.mark.parametrize("weights", slots.TEMPORAL_WEIGHTS)
def test_the_network_begins_as_the_one_without_flow(preset: str, weights: str) -> None:
    given = {**PRESETS.get(preset), "base_channels": 8, "temporal_weights": weights}
    without = build_model(ArchSpec.model_validate(given), 0).double()
    flow = build_model(ArchSpec.model_validate({**given, "motion": "flow"}), 0).double()
    assert not [name for name in without.state_dict() if name.startswith("motion")]
    for net in (without, flow):
        nn.init.normal_(net.head.last.weight, generator=torch.Generator().manual_seed(1))  # type: ignore[union-attr,arg-type]
    frames, times, target = clip(views=4, height=19, width=23)
    with torch.no_grad():
        gap = (without(frames, times, target) - flow(frames, times, target)).abs().max()
    assert float(gap) < 1e-5, "weights below 1e-6 count as that, nothing else differs"


def test_a_warp_by_whole_pixels_moves_the_picture() -> None:
    picture = torch.rand(1, 3, 9, 12, dtype=torch.float64)
    flow = torch.zeros(1, 2, 9, 12, dtype=torch.float64)
    flow[:, 0], flow[:, 1] = 3, -2
    moved = warp(picture, flow)
    assert torch.allclose(moved[..., 2:, :-3], picture[..., :-2, 3:])
    assert torch.allclose(moved[..., :2, -3:], picture[..., :1, -1:].expand(-1, -1, 2, 3))


def test_each_view_is_compared_with_the_nearest_across_the_target() -> None:
    assert across([0, 1], 0.3) == [[0, 1], [1, 0]]
    assert across([0, 1, 2, 3], 1.4) == [[0, 0, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert across([0, 1, 2], 2.5)[2] == [0, 1, 0], "outside: the nearest other one"
    assert across([0, 1, 9], 0.3, [True, True, False])[:2] == [[0, 1, 0], [1, 0, 0]]
    assert across([0, 9], 0.3, [True, False])[0] == [1, 0], "alone: itself"


def test_a_target_at_a_views_own_time_leaves_that_view_unwarped() -> None:
    net = awake(small(motion="flow"))
    frames, times, _ = clip(batch=1, views=2)
    moments = relative(times, times[:, 0])
    with torch.no_grad():
        warped, _ = net.motion(frames, net.temporal_weights(net.time_encoder(moments)[0], moments),
                               moments)  # fmt: skip
    assert torch.allclose(warped[:, 0], frames[:, 0])
    assert float((warped[:, 1] - frames[:, 1]).abs().max()) > 0.1


def pattern(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Smooth pictures that move by up to 4 pixels between the frames, and the one at `target`."""
    noise = torch.rand(batch, 3, 14, 14, generator=generator)
    smooth = F.interpolate(noise, size=(56, 56), mode="bicubic", align_corners=False)
    speed = 8 * torch.rand(batch, 2, 1, 1, generator=generator) - 4
    target = 0.2 + 0.6 * torch.rand(batch, generator=generator)

    def at(time: Tensor) -> Tensor:
        moved = (speed * time[:, None, None, None]).expand(-1, -1, 56, 56)
        return warp(smooth, moved)[..., 12:44, 12:44]

    frames = torch.stack((at(torch.zeros(batch)), at(torch.ones(batch))), 1)
    return frames, at(target), target


def test_it_learns_a_motion_that_no_blend_can_follow() -> None:
    generator = torch.Generator().manual_seed(0)
    arch = small(motion=SMALL.model_dump(), temporal_weights="linear", block="post_act")
    motion = build_model(arch, 0).motion
    times = torch.tensor([[0.0, 1.0]]).expand(8, -1)
    optimiser = torch.optim.AdamW(motion.parameters(), 3e-3)

    def errors() -> tuple[Tensor, Tensor]:
        frames, wanted, target = pattern(8, generator)
        weights = torch.stack((1 - target, target), 1)
        warped, shares = motion(frames, weights, relative(times, target))
        error = (warped * shares.unsqueeze(2)).sum(1) - wanted
        plain = (frames * weights[..., None, None, None]).sum(1) - wanted
        return error.abs().mean(), plain.abs().mean()

    for _ in range(150):
        optimiser.zero_grad()
        errors()[0].backward()
        optimiser.step()
    with torch.no_grad():
        found = torch.tensor([errors() for _ in range(8)]).mean(0)
    assert float(found[0]) < 0.6 * float(found[1]), f"{found.tolist()}"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_place_pixels_as_float32_does(dtype: torch.dtype) -> None:
    net = awake(small(motion="flow")).float()
    frames, times, target = (each.float() for each in clip(height=21, width=40))
    moments = relative(times, target)
    weights = torch.full_like(times, 1 / 3)
    with torch.no_grad():
        exact, _ = net.motion(frames, weights, moments)
        with torch.autocast("cpu", dtype):
            half, shares = net.motion(frames, weights, moments)
    assert half.dtype == frames.dtype and bool(shares.isfinite().all())
    assert float((half - exact).abs().mean()) < 0.05 * float(exact.std())


def test_a_flow_head_starts_fresh_on_weights_of_a_network_without_one() -> None:
    source, made = build_model(small(), 1), build_model(small(motion="flow"), 0)
    start = Init.model_validate({"from": "V3", "strict": False})
    done = copy_weights_of(made, source.state_dict(), start)
    assert done.fresh and all(name.startswith("motion.") for name in done.fresh)
    assert len(done.copied) == len(source.state_dict())


def test_unused_views_get_no_share() -> None:
    motion = FlowMotion(SMALL)
    frames, times, target = (each.float() for each in clip(batch=1, views=3))
    used = torch.tensor([[True, False, True]])
    with torch.no_grad():
        _, shares = motion(frames, torch.full_like(times, 1 / 3), relative(times, target, used))
    assert float(shares[:, 1].abs().max()) == 0
    assert torch.allclose(shares.sum(1), torch.ones_like(shares[:, 0]))
