"""Temporal weights and the scene-cut gate."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tempo.models.family import build_model
from tempo.models.output import SCENE_CUTS
from tempo.models.temporal.weighting import TEMPORAL_WEIGHTS, Moments, relative
from tempo.spec import arch_slots as slots
from tests.models.conformance import small

ANCHORS = torch.tensor([[0.0, 1.0, 2.0, 4.0]])


def weights(kind: str, moments: Moments) -> Tensor:
    net = build_model(small(temporal_weights=kind), 0)
    codes, _ = net.time_encoder(moments)
    out: Tensor = net.temporal_weights(codes, moments)
    return out.detach()


def linear(times: Tensor, at: float) -> list[float]:
    moments = relative(times, torch.tensor([at]))
    out: Tensor = TEMPORAL_WEIGHTS.make(slots.LinearWeights(), 8)(times, moments)
    return [round(float(each), 5) for each in out[0]]


@pytest.mark.parametrize("kind", slots.TEMPORAL_WEIGHTS)
def test_weights_are_shares_and_unused_views_have_none(kind: str) -> None:
    mask = torch.tensor([[True, True, False, True]])
    for at in (-1.0, 0.0, 0.3, 2.0, 3.9, 7.0):
        out = weights(kind, relative(ANCHORS, torch.tensor([at]), mask))
        assert float(out.sum()) == pytest.approx(1, abs=1e-6)
        assert float(out.min()) >= 0
        assert float(out[0, 2]) == 0


@given(st.floats(0, 4))
def test_linear_weights_interpolate_time_itself(at: float) -> None:
    times = ANCHORS.double()
    moments = relative(times, torch.tensor([at], dtype=torch.float64))
    out = TEMPORAL_WEIGHTS.make(slots.LinearWeights(), 8)(times, moments)
    assert float((out * times).sum()) == pytest.approx(at, abs=1e-9)


def test_linear_weights_at_the_edges() -> None:
    assert linear(ANCHORS, 2.0) == [0, 0, 1, 0]
    assert linear(ANCHORS, 0.0) == [1, 0, 0, 0]
    assert linear(ANCHORS, 3.5) == [0, 0, 0.25, 0.75]
    assert linear(ANCHORS, -3.0) == [1, 0, 0, 0]
    assert linear(ANCHORS, 9.0) == [0, 0, 0, 1]
    assert linear(torch.tensor([[1.0, 1.0, 2.0]]), 1.25) == [0.375, 0.375, 0.25]
    assert linear(torch.tensor([[1.0, 1.0]]), 1.0) == [0.5, 0.5]


def test_learned_weights_start_from_the_times() -> None:
    """The nearest anchor on each side first, symmetric in dt, nearly all at an anchor's time."""
    middle = weights("learned", relative(ANCHORS[:, :2], torch.tensor([0.5])))
    assert torch.allclose(middle, torch.full((1, 2), 0.5), atol=1e-6)
    near = weights("learned", relative(ANCHORS[:, :2], torch.tensor([0.0])))
    assert float(near[0, 0]) > 0.95
    several = weights("learned", relative(ANCHORS, torch.tensor([1.4])))
    assert several[0].argsort(descending=True)[:2].tolist() == [1, 2]


def test_relative_times_of_frames_at_one_time_are_finite() -> None:
    moments = relative(torch.tensor([[2.0, 2.0]]), torch.tensor([2.5]))
    assert moments.dt.tolist() == [[-0.5, -0.5]]


def scene(difference: float, at: float, **options: float) -> tuple[Tensor, Tensor]:
    frames = torch.stack((torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), difference)), 1)
    moments = relative(torch.tensor([[0.0, 1.0]]), torch.tensor([at]))
    gate = SCENE_CUTS.make(slots.NearestGate(**options))
    return frames, gate(torch.full((1, 3, 8, 8), 0.5), frames, moments)


@pytest.mark.parametrize(("at", "nearest"), [(0.2, 0), (0.7, 1), (0.5, 0)])
def test_across_a_cut_the_nearest_frame_is_shown(at: float, nearest: int) -> None:
    frames, out = scene(1.0, at)
    assert torch.allclose(out, frames[:, nearest], atol=1e-4)


def test_without_a_cut_the_picture_stays() -> None:
    _, out = scene(0.05, 0.2)
    assert torch.allclose(out, torch.full_like(out, 0.5), atol=2e-3)


def test_extrapolation_has_no_cut() -> None:
    _, out = scene(1.0, 1.4)
    assert torch.equal(out, torch.full_like(out, 0.5))


def test_half_way_the_gate_is_half_open() -> None:
    _, out = scene(0.35, 0.2)
    assert float(out.mean()) == pytest.approx(0.25, abs=1e-6)
