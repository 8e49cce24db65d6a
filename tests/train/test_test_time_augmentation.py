"""Test-time augmentation: which inputs a method sees, and that their predictions are averaged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tempo.core.errors import UnknownNameError
from tempo.metrics.references import REFERENCES
from tempo.models.family import build_model
from tempo.train.inference.network_inference import make_inference
from tempo.train.inference.test_time_augmentation import augmented, check_augmentation

from .conftest import config

TIMES, MOMENT = torch.tensor([[0.0, 0.5, 1.0]]), torch.tensor([0.25])


def frames() -> Tensor:
    return torch.rand(1, 3, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def corner(given: Tensor, times: Tensor, moment: Tensor) -> Tensor:
    """A method that treats each corner and each end of time differently."""
    height, width = given.shape[-2:]
    down, across = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    late = given[:, 2] * across.square() * moment
    return given[:, 0] * down + late + times[:, 1, None, None, None]


@pytest.mark.parametrize(("name", "count"), [("flips", 4), ("flips+reverse", 8)])
def test_it_is_the_mean_of_predictions_that_are_turned_back(name: str, count: int) -> None:
    parts = []
    for reverse in (False, True)[: count // 4]:
        for vertical in (False, True):
            for horizontal in (False, True):
                given, times, moment = frames(), TIMES, MOMENT
                if reverse:
                    given, moment = given[:, [2, 1, 0]], 1 - moment
                rows = torch.arange(16).flip(0) if vertical else torch.arange(16)
                columns = torch.arange(24).flip(0) if horizontal else torch.arange(24)
                out = corner(given[..., rows, :][..., columns], times, moment)
                parts.append(out[..., rows, :][..., columns])
    assert len(parts) == count
    found = augmented(corner, check_augmentation(name))(frames(), TIMES, MOMENT)
    torch.testing.assert_close(found, torch.stack(parts).mean(0))
    assert not torch.allclose(found, corner(frames(), TIMES, MOMENT), atol=1e-3)


def test_uneven_times_are_reversed_with_their_frames() -> None:
    seen = []

    def look(given: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        seen.append((given[0, :, 0, 0, 0].tolist(), times[0].tolist(), moment.item()))
        return given[:, 0]

    uneven = torch.tensor([[0.0, 0.25, 1.0]])
    augmented(look, "flips+reverse")(frames(), uneven, MOMENT)
    assert seen[0][1] == [0.0, 0.25, 1.0] and seen[4][1] == [0.0, 0.75, 1.0]
    assert seen[4][0] == seen[0][0][::-1] and seen[4][2] == 0.75


def test_averaging_gains_nothing_and_a_network_changes() -> None:
    given = frames()
    plain, ensemble = make_inference(device="cpu"), make_inference(device="cpu", tta="flips")
    average = REFERENCES["average"]
    torch.testing.assert_close(
        ensemble.apply(average)(given, TIMES, MOMENT), plain.apply(average)(given, TIMES, MOMENT)
    )
    net = build_model(config().arch, 0).eval()
    torch.nn.init.normal_(net.head.last.weight, std=0.3)
    times = torch.tensor([[0.0, 1.0]])
    with torch.no_grad():
        one, other = (each.apply(net)(given[:, :2], times, MOMENT) for each in (plain, ensemble))
        flipped = ensemble.apply(net)(given[:, :2].flip(-1), times, MOMENT).flip(-1)
    assert (one - other).abs().max() > 1e-3
    # The mean over all flips does not change when the input is flipped.
    torch.testing.assert_close(flipped, other, atol=1e-5, rtol=0)


def test_the_protocol_says_it_and_half_precision_is_compared_with_the_same() -> None:
    chosen = make_inference(device="cpu", precision="bf16", tta="flips+reverse")
    assert chosen.protocol["test_time_augmentation"].startswith("mean of 8 predictions")
    assert make_inference(device="cpu").protocol["test_time_augmentation"] == "none"
    default = chosen.as_default()
    assert default.plain and default.augmentation == "flips+reverse"
    with pytest.raises(UnknownNameError, match="flips"):
        make_inference(device="cpu", tta="flip")
