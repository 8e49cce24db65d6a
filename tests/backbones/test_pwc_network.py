"""Check PWC-Net against a computation in another way, and how its state dict is read."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

from tempo.backbones.frozen_files import read_tensors
from tempo.backbones.pwc_network import LAYOUT, PwcNet, cost_volume, warp
from tempo.core.errors import SpecError
from tests import reference_backbones, reference_flow

PHOTOGRAPH = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255


def features(channels, height, width, seed=0):
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def as_array(batch):
    return batch[0].double().numpy()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return reference_backbones.write("pwcnet", tmp_path_factory.mktemp("backbones"))


@pytest.mark.parametrize("size", [(64, 64), (70, 100)])
@torch.no_grad()
def test_the_flow_is_that_of_another_computation(published, size):
    network = PwcNet(read_tensors(published, LAYOUT), "it")
    pictures = [PHOTOGRAPH[:, y : y + size[0], y + 10 : y + 10 + size[1]] for y in (50, 53)]
    ours = network(*(each[None] for each in pictures))
    theirs = reference_flow.flow(
        reference_flow.pwcnet(), *(each.double().numpy() for each in pictures)
    )
    assert ours.shape == (1, 2, *size)
    assert theirs.std() > 5
    np.testing.assert_allclose(ours[0], theirs, atol=1e-3, rtol=1e-5)


def test_the_cost_volume_is_that_of_loops_over_pixels():
    one, other = features(5, 6, 7), features(5, 6, 7, 1)
    theirs = reference_flow.correlation(as_array(one), as_array(other))
    np.testing.assert_allclose(cost_volume(one, other)[0], theirs, atol=1e-6)
    # A pixel meets itself in the middle one of 9 x 9 displacements.
    torch.testing.assert_close(cost_volume(one, one)[:, 40], one.square().mean(1))


def test_warping_is_that_of_scipy_and_nothing_comes_from_beyond_the_border():
    given, flow = features(3, 9, 11), 2 * features(2, 9, 11, 1)
    theirs = reference_flow.warped(as_array(given), as_array(flow))
    assert 5 < (theirs == 0).all(0).sum() < 60
    np.testing.assert_allclose(warp(given, flow)[0], theirs, atol=1e-5)
    torch.testing.assert_close(warp(given, torch.zeros_like(flow)), given)
    # Width 11: a flow of 10 / 11 pixels is one pixel to the right.
    right = torch.stack([torch.full((1, 9, 11), 10 / 11), torch.zeros(1, 9, 11)], 1)
    moved = warp(given, right)
    torch.testing.assert_close(moved[..., :-1], given[..., 1:], atol=1e-5, rtol=0)
    assert not moved[..., -1].any()


def test_batches_do_not_mix(published):
    network = PwcNet(read_tensors(published, LAYOUT), "it")
    first, second = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    alone = torch.cat([network(first[n : n + 1], second[n : n + 1]) for n in range(2)])
    torch.testing.assert_close(network(first, second), alone, atol=1e-3, rtol=1e-4)


def test_its_weights_are_not_trained_and_newer_names_are_read_as_well(published):
    weights = read_tensors(published, LAYOUT)
    assert "moduleExtractor.moduleOne.0.weight" in weights
    assert "moduleRefiner.moduleMain.12.bias" in weights
    network = PwcNet(weights, "it")
    assert not list(network.parameters())
    assert sum(each.numel() for each in network.buffers()) == 9_374_274
    newer = {name.replace("module", "net"): value for name, value in weights.items()}
    pictures = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    assert torch.equal(network(*pictures), PwcNet(newer, "it")(*pictures))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda w: w.pop("moduleSix.moduleFou.0.weight"),
            r"moduleSix\.moduleFou\.0\.weight is missing, not \[64, 433, 3, 3\]",
        ),
        (
            lambda w: w.update({"moduleTwo.moduleUpflow.bias": torch.zeros(3)}),
            r"moduleTwo\.moduleUpflow\.bias is \[3\], not \[2\]",
        ),
        (lambda w: w.clear(), r"moduleExtractor\.moduleOne\.0\.weight is missing"),
    ],
)
def test_another_network_is_a_sentence(published, change, said):
    weights = dict(read_tensors(published, LAYOUT))
    change(weights)
    with pytest.raises(
        SpecError, match=r"here\.pth is not PWC-Net as pytorch-pwc writes it.*" + said
    ):
        PwcNet(weights, "here.pth")


@pytest.mark.parametrize("moved", [(0, 3), (-2, 0), (4, -4)])
def test_the_best_match_stands_in_the_channel_of_its_displacement(moved):
    y, x = moved
    one = torch.nn.functional.normalize(features(8, 14, 14), dim=1)
    other = torch.from_numpy(ndimage.shift(one[0].numpy(), (0, y, x), order=0))[None]
    best = cost_volume(one, other)[0, :, 5:9, 5:9].argmax(0)
    assert (best == 9 * (y + 4) + x + 4).all()
