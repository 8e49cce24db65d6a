"""Tiles: where they lie, and where a tiled picture equals the whole one."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tempo.core.errors import SpecError
from tempo.metrics.references import average
from tempo.models.family import TempoNet, build_model
from tempo.models.padding import STRIDE
from tempo.train.inference.network_inference import Tiling, tiled

from .conftest import config

TIMES, MIDDLE = torch.tensor([[0.0, 1.0]]), torch.tensor([0.5])
LOCAL = {"base_channels": 4, "blocks": [0, 0, 1, 1], "norm": "none", "se": "none"}


def network(**arch: object) -> TempoNet:
    net = build_model(config({"arch": arch}).arch, 0).eval()
    random = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(net.head.last.weight, std=0.3, generator=random)
    return net


def frames(height: int, width: int) -> Tensor:
    return torch.rand(1, 2, 3, height, width, generator=torch.Generator().manual_seed(1))


def reach(net: TempoNet, side: int = 384) -> int:
    """How far, in pixels, an output pixel looks: measured by its gradient, at every phase of the
    network's grid."""
    pictures = frames(side, side).requires_grad_()
    out = net(pictures, TIMES, MIDDLE)
    middle, furthest = side // 2, 0
    for phase in range(STRIDE):
        place = middle + phase
        (gradient,) = torch.autograd.grad(
            out[0, :, place, place].sum(), pictures, retain_graph=True
        )
        rows, columns = gradient[0].abs().amax((0, 1)).nonzero(as_tuple=True)
        spread = torch.cat([rows - place, columns - place]).abs().max()
        furthest = max(furthest, int(spread))
    assert furthest < middle - STRIDE
    return furthest


def seams(starts: list[int], side: int, length: int) -> list[int]:
    """Where tiles end inside the picture."""
    return [edge for start in starts for edge in (start, start + side) if 0 < edge < length]


def far_from(edges: list[int], length: int, distance: int) -> Tensor:
    place = torch.arange(length)
    return torch.stack([(place - edge).abs() > distance for edge in edges]).all(0)


def test_tiles_equal_the_whole_outside_the_receptive_field_of_a_seam() -> None:
    net = network(**LOCAL)
    radius = reach(net)
    tiling = Tiling(8 * STRIDE * (1 + radius // 16), STRIDE * 2)
    # Odd sizes, so that the padding takes part.
    height, width = 2 * tiling.side - 11, 2 * tiling.side - 3
    pictures = frames(height, width)
    with torch.inference_mode():
        whole = net(pictures, TIMES, MIDDLE)
        parts = tiled(net, tiling)(pictures, TIMES, MIDDLE)
    difference = (whole - parts).abs().amax((0, 1))
    down = far_from(
        seams(tiling.starts(2 * tiling.side - 8), tiling.side, height), height, radius + 8
    )
    across = far_from(seams(tiling.starts(2 * tiling.side), tiling.side, width), width, radius + 8)
    inside = down[:, None] & across
    assert 0.05 < inside.float().mean() < 0.95
    assert difference[inside].max() <= 1e-5
    assert difference[~inside].max() > 1e-3


def test_a_predictor_that_looks_within_the_outer_quarter_of_overlaps_sees_no_tiles() -> None:
    def blurred(pictures: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        mean = average(pictures, times, moment)
        edges = torch.nn.functional.pad(mean, (5, 5, 5, 5), "replicate")
        return torch.nn.functional.avg_pool2d(edges, 11, 1)

    pictures = frames(152, 208)
    whole = blurred(pictures, TIMES, MIDDLE)
    parts = tiled(blurred, Tiling(96, 24))(pictures, TIMES, MIDDLE)
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)


def test_pooling_networks_differ_between_tiles_and_whole() -> None:
    net = network(base_channels=4, blocks=[0, 0, 1, 1])
    pictures = frames(96, 160)
    with torch.inference_mode():
        whole = net(pictures, TIMES, MIDDLE)
        parts = tiled(net, Tiling(64, 16))(pictures, TIMES, MIDDLE)
    assert (whole - parts).abs().max() > 1e-4


def test_a_frame_that_fits_is_not_cut() -> None:
    net = network(base_channels=4, blocks=[0, 0, 1, 1])
    pictures = frames(60, 64)
    with torch.inference_mode():
        assert torch.equal(
            net(pictures, TIMES, MIDDLE), tiled(net, Tiling(64, 16))(pictures, TIMES, MIDDLE)
        )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 40).map(lambda n: n * STRIDE),
    st.integers(1, 20).map(lambda n: n * STRIDE),
    st.integers(1, 400).map(lambda n: n * STRIDE),
)
def test_tiles_cover_an_axis_and_share_what_was_asked_for(
    side: int, overlap: int, length: int
) -> None:
    tiling = Tiling(side, min(overlap, side // 2 // STRIDE * STRIDE))
    starts = tiling.starts(length)
    assert starts[0] == 0 and all(start % STRIDE == 0 for start in starts)
    if length <= side:
        assert starts == [0]
        return
    assert starts[-1] + side == length
    assert all(left + side - right >= tiling.overlap for left, right in pairwise(starts))


@pytest.mark.parametrize(("height", "width"), [(64, 300), (131, 90), (200, 200)])
def test_blending_weights_add_up_to_one(height: int, width: int) -> None:
    pictures = frames(height, width)
    whole = average(pictures, TIMES, MIDDLE)
    parts = tiled(average, Tiling(64, 24))(pictures, TIMES, MIDDLE)
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("side", "overlap", "said"),
    [(60, 8, "not 60"), (32, 8, "not 32"), (128, 12, "not 12"), (128, 72, "not 72")],
)
def test_tiles_that_miss_the_grid_are_refused(side: int, overlap: int, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        Tiling(side, overlap)
