"""PWC-Net with random layers, its flow and FloLPIPS in other ways than Tempo computes them.

Layers are modules in float64, correlations loops over pixels, warping SciPy's
`map_coordinates`, resizing a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn

Array = npt.NDArray[np.float64]

NUMBERS = ("One", "Two", "Thr", "Fou", "Fiv", "Six")


def _conv(given: int, made: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(given, made, 3, stride, padding=dilation, dilation=dilation)


def _between(layers: Sequence[nn.Module]) -> nn.Sequential:
    """Layers with a leaky ReLU between two, so that their numbers are even."""
    every = [each for layer in layers for each in (layer, nn.LeakyReLU(0.1))]
    return nn.Sequential(*every[:-1])


def _level(given: int, made: int) -> nn.Sequential:
    return _between([_conv(given, made, 2), _conv(made, made), _conv(made, made)])


def _decoder(given: int, above: int | None) -> nn.ModuleDict:
    parts: dict[str, nn.Module] = {}
    if above is not None:
        parts["moduleUpflow"] = nn.ConvTranspose2d(2, 2, 4, 2, 1)
        parts["moduleUpfeat"] = nn.ConvTranspose2d(above, 2, 4, 2, 1)
    for number, made, more in zip(
        NUMBERS, (128, 128, 96, 64, 32, 2), (0, 128, 256, 352, 416, 448), strict=True
    ):
        parts[f"module{number}"] = nn.Sequential(_conv(given + more, made))
    return nn.ModuleDict(parts)


def pwcnet() -> nn.ModuleDict:
    """PWC-Net whose layers have pytorch-pwc's names, and random weights of a fixed seed."""
    sizes = ((3, 16), (16, 32), (32, 64), (64, 96), (96, 128), (128, 196))
    levels = {f"module{n}": _level(*each) for n, each in zip(NUMBERS, sizes, strict=True)}
    network = nn.ModuleDict(
        {
            "moduleExtractor": nn.ModuleDict(levels),
            "moduleTwo": _decoder(117, 597),
            "moduleThr": _decoder(149, 629),
            "moduleFou": _decoder(181, 661),
            "moduleFiv": _decoder(213, 529),
            "moduleSix": _decoder(81, None),
            "moduleRefiner": nn.ModuleDict(
                {
                    "moduleMain": _between(
                        [
                            _conv(565, 128),
                            _conv(128, 128, dilation=2),
                            _conv(128, 128, dilation=4),
                            _conv(128, 96, dilation=8),
                            _conv(96, 64, dilation=16),
                            _conv(64, 32),
                            _conv(32, 2),
                        ]
                    )
                }
            ),
        }
    )
    noise = torch.Generator().manual_seed(0)
    for each in network.modules():
        if isinstance(each, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(each.weight, a=0.1, generator=noise)
            assert each.bias is not None
            nn.init.normal_(each.bias, 0, 0.05, generator=noise)
    return network.eval()


def correlation(one: Array, other: Array) -> Array:
    """The mean product over channels [81, h, w], pixel by pixel, without what is outside."""
    channels, height, width = one.shape
    found = np.zeros((81, height, width))
    wide = np.pad(other, ((0, 0), (4, 4), (4, 4)))
    for y, x in np.ndindex(height, width):
        around = wide[:, y : y + 9, x : x + 9]
        found[:, y, x] = np.tensordot(one[:, y, x], around, 1).ravel() / channels
    return found


def warped(features: Array, flow: Array) -> Array:
    """Features [C, h, w] fetched from where the flow [2, h, w] points to, or 0."""
    _, height, width = features.shape
    y, x = np.mgrid[:height, :width].astype(float)
    places = [y + flow[1] * height / (height - 1), x + flow[0] * width / (width - 1)]

    def fetched(picture: Array) -> Array:
        return ndimage.map_coordinates(picture, places, order=1, mode="grid-constant")  # type: ignore[no-any-return]

    seen = fetched(np.ones((height, width))) > 0.999
    return np.stack([fetched(each) for each in features]) * seen


def resized(picture: Array, height: int, width: int) -> Array:
    """A picture [C, h, w] between whose pixels' centres is interpolated; borders are repeated."""
    old = picture.shape[1:]
    down, across = (
        np.clip((np.arange(new) + 0.5) * before / new - 0.5, 0, before - 1)
        for new, before in zip((height, width), old, strict=True)
    )
    places = np.meshgrid(down, across, indexing="ij")
    return np.stack([ndimage.map_coordinates(each, places, order=1) for each in picture])


def _called(layer: Callable[[torch.Tensor], torch.Tensor], picture: Array) -> Array:
    with torch.no_grad():
        return np.asarray(layer(torch.from_numpy(picture)[None])[0].numpy())


def _leaky(x: Array) -> Array:
    return np.where(x < 0, 0.1 * x, x)


def flow(network: Any, first: Array, second: Array) -> Array:
    """The flow [2, H, W] between two pictures [3, H, W]; `network` is made float64."""
    network = network.double()
    height, width = first.shape[1:]
    tall, wide = 64 * int(np.ceil(height / 64)), 64 * int(np.ceil(width / 64))
    pyramids: list[dict[str, Array]] = []
    for picture in first, second:
        x, levels = resized(picture, tall, wide), {}
        for number in NUMBERS:
            x = levels[number] = _leaky(_called(network["moduleExtractor"][f"module{number}"], x))
        pyramids.append(levels)
    motion, x = None, None
    scales = {"Fiv": 0.625, "Fou": 1.25, "Thr": 2.5, "Two": 5.0}
    for number in reversed(NUMBERS[1:]):
        decoder, (one, other) = network[f"module{number}"], (each[number] for each in pyramids)
        if motion is None or x is None:
            x = _leaky(correlation(one, other))
        else:
            motion, more = (
                _called(decoder[f"module{name}"], each)
                for name, each in (("Upflow", motion), ("Upfeat", x))
            )
            costs = correlation(one, warped(other, scales[number] * motion))
            x = np.concatenate([_leaky(costs), one, motion, more])
        for layer in NUMBERS[:-1]:
            x = np.concatenate([_leaky(_called(decoder[f"module{layer}"], x)), x])
        motion = _called(decoder["moduleSix"], x)
    assert motion is not None and x is not None
    motion = motion + _called(network["moduleRefiner"]["moduleMain"], x)
    motion = 20 * resized(motion, height, width)
    return motion * np.array([width / wide, height / tall])[:, None, None]


def flolpips(
    network: Any, layers: Sequence[Array], pictures: Sequence[Array], beside: Sequence[Array]
) -> float:
    """FloLPIPS towards one neighbour.

    `layers` are LPIPS's distances [h, w]; `pictures` prediction and target; `beside` the frame next
    to the prediction and the one next to the target.
    """
    flows = [flow(network, *each) for each in zip(pictures, beside, strict=True)]
    gap, total = flows[0] - flows[1], 0.0
    for distances in layers:
        lengths = np.hypot(*resized(gap, *distances.shape))
        total += (distances * lengths).sum() / lengths.sum()
    return total
