"""Read PWC-Net from a state dict as pytorch-pwc writes it, and compute optical flow by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.core.errors import SpecError

LAYOUT = "PWC-Net as pytorch-pwc writes it (network-default.pytorch)"

LEVELS = ("One", "Two", "Thr", "Fou", "Fiv", "Six")
"""How the state dict numbers the levels of the pyramid, the layers of a level, and the decoders."""

PYRAMID = (16, 32, 64, 96, 128, 196)
"""Channels of the levels, each of half the size of the one before."""

DENSE = (128, 128, 96, 64, 32)
"""Channels that the layers of a decoder add to what they are given."""

REFINER = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1), (2, 1))
"""Channels and dilation of the layers that refine the flow of the finest decoder."""

REACH = 4
"""Pixels, at each level, that a cost volume looks to either side."""

COSTS = (2 * REACH + 1) ** 2

COARSEST, FINEST = 6, 2
"""Levels of the first and the last decoder."""

SCALE = 20.0
"""Pixels that one unit of the network's flow means."""

MULTIPLE = 2**COARSEST
"""Sides of pictures are multiples of it, so that each level has half the size exactly."""


class Shape(NamedTuple):
    """The name of a layer in the state dict and the shape of its weight."""

    name: str
    weight: tuple[int, int, int, int]
    bias: int


class Estimate(NamedTuple):
    """What a decoder hands to the next finer one: a flow [B, 2, h, w], and its features."""

    flow: Tensor
    features: Tensor


def _given(level: int) -> int:
    """Return the channels that the decoder of a level is given."""
    return COSTS if level == COARSEST else COSTS + PYRAMID[level - 1] + 4


def _shapes() -> Iterator[Shape]:
    """Yield all layers of the network."""
    for number, channels in enumerate(PYRAMID):
        before = PYRAMID[number - 1] if number else 3
        for place, given in (0, before), (2, channels), (4, channels):
            name = f"netExtractor.net{LEVELS[number]}.{place}"
            yield Shape(name, (channels, given, 3, 3), channels)
    for level in range(FINEST, COARSEST + 1):
        name, given = f"net{LEVELS[level - 1]}", _given(level)
        if level < COARSEST:
            above = _given(level + 1) + sum(DENSE)
            yield Shape(f"{name}.netUpflow", (2, 2, 4, 4), 2)
            yield Shape(f"{name}.netUpfeat", (above, 2, 4, 4), 2)
        for layer, added in zip(LEVELS, (*DENSE, 2), strict=True):
            yield Shape(f"{name}.net{layer}.0", (added, given, 3, 3), added)
            given += added
    given = _given(FINEST) + sum(DENSE)
    for number, (channels, _) in enumerate(REFINER):
        yield Shape(f"netRefiner.netMain.{2 * number}", (channels, given, 3, 3), channels)
        given = channels


class PwcNet(nn.Module):
    """Compute the optical flow between pictures by PWC-Net (Sun et al. 2018).

    Its weights are buffers, so that nothing trains them. It computes what the copy of pytorch-pwc
    beside the published FloLPIPS does, in every detail: pictures are RGB in 0..1, resized to
    multiples of 64, and the displacement by which features are warped is w / (w - 1) times the
    flow, because that code divides by w - 1 where pixels lie 1 / w apart.

    Raises:
        SpecError: when the tensors are not those of PWC-Net.
    """

    def __init__(self, weights: Mapping[str, Tensor], source: str) -> None:
        super().__init__()
        # The published file names layers "module...", as the classes were called in its day.
        named = {name.replace("module", "net"): value for name, value in weights.items()}
        for each in _shapes():
            for kind, shape in ("weight", each.weight), ("bias", (each.bias,)):
                key = f"{each.name}.{kind}"
                found = tuple(named[key].shape) if key in named else None
                if found != shape:
                    raise SpecError(
                        f"{source} is not {LAYOUT}: {key.replace('net', 'module')} is "
                        f"{'missing' if found is None else list(found)}, not {list(shape)}"
                    )
                self.register_buffer(_plain(key), named[key].detach().clone().float())

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the flow from the first to the second pictures, both [B, 3, H, W] in 0..1.

        [B, 2, H, W]: how far, in pixels across and down, each pixel of the first has moved.
        """
        return self.flow(self.pyramid(first), self.pyramid(second), first.shape[-2:])

    def pyramid(self, pictures: Tensor) -> list[Tensor]:
        """Return the features [B, C, h, w] of the six levels, the finest first."""
        sides = [-(-side // MULTIPLE) * MULTIPLE for side in pictures.shape[-2:]]
        x = _resized(pictures, sides)
        found: list[Tensor] = []
        for level in LEVELS:
            for place, stride in (0, 2), (2, 1), (4, 1):
                x = _leaky(self._conv(x, f"netExtractor.net{level}.{place}", stride=stride))
            found.append(x)
        return found

    def flow(self, first: list[Tensor], second: list[Tensor], size: torch.Size) -> Tensor:
        """Return the flow from one pyramid to another, for pictures of a size (H, W)."""
        found: Estimate | None = None
        for level in range(COARSEST, FINEST - 1, -1):
            found = self._decode(level, first[level - 1], second[level - 1], found)
        assert found is not None
        x = found.features
        for number, (_, dilation) in enumerate(REFINER):
            x = _leaky(x) if number else x
            x = self._conv(x, f"netRefiner.netMain.{2 * number}", dilation=dilation)
        # The sides that the pictures were resized to.
        height, width = (2**FINEST * side for side in x.shape[-2:])
        ratio = x.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
        return SCALE * _resized(found.flow + x, size) * ratio

    def _decode(
        self, level: int, first: Tensor, second: Tensor, above: Estimate | None
    ) -> Estimate:
        name = f"net{LEVELS[level - 1]}"
        if above is None:
            x = _leaky(cost_volume(first, second))
        else:
            flow = self._enlarged(above.flow, f"{name}.netUpflow")
            features = self._enlarged(above.features, f"{name}.netUpfeat")
            warped = warp(second, flow * (SCALE / 2**level))
            x = torch.cat([_leaky(cost_volume(first, warped)), first, flow, features], 1)
        for layer, _ in zip(LEVELS, DENSE, strict=False):
            x = torch.cat([_leaky(self._conv(x, f"{name}.net{layer}.0")), x], 1)
        return Estimate(self._conv(x, f"{name}.net{LEVELS[-1]}.0"), x)

    def _conv(self, x: Tensor, name: str, *, stride: int = 1, dilation: int = 1) -> Tensor:
        weight, bias = self._own(name)
        return F.conv2d(x, weight, bias, stride, padding=dilation, dilation=dilation)

    def _enlarged(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._own(name)
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)

    def _own(self, name: str) -> tuple[Tensor, Tensor]:
        return self.get_buffer(_plain(f"{name}.weight")), self.get_buffer(_plain(f"{name}.bias"))


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


def _resized(x: Tensor, size: list[int] | torch.Size) -> Tensor:
    return F.interpolate(x, list(size), mode="bilinear", align_corners=False)


def cost_volume(first: Tensor, second: Tensor) -> Tensor:
    """Return how alike each pixel of `first` is to the pixels around it in `second`: [B, 81, h, w].

    The mean product over channels, row by row of the displacements from -4 to 4; features beyond
    the border are 0.
    """
    height, width = first.shape[-2:]
    wide = F.pad(second, (REACH,) * 4)
    places = [(y, x) for y in range(2 * REACH + 1) for x in range(2 * REACH + 1)]
    return torch.stack(
        [(first * wide[..., y : y + height, x : x + width]).mean(1) for y, x in places], 1
    )


def warp(features: Tensor, flow: Tensor) -> Tensor:
    """Return the features [B, C, h, w] fetched from where a flow points to.

    Bilinear; 0 where a pixel is fetched from beyond the border, be it in part.
    """
    height, width = features.shape[-2:]
    axes = [
        torch.linspace(1 / n - 1, 1 - 1 / n, n, dtype=flow.dtype, device=flow.device)
        for n in (width, height)
    ]
    across, down = torch.meshgrid(*axes, indexing="xy")
    x = across + flow[:, 0] / ((width - 1) / 2)
    y = down + flow[:, 1] / ((height - 1) / 2)
    inside = torch.cat([features, torch.ones_like(features[:, :1])], 1)
    found = F.grid_sample(
        inside, torch.stack([x, y], -1), mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return found[:, :-1] * (found[:, -1:] > 0.999)
