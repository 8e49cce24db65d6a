"""Read AlexNet from a state dict as torchvision writes it, and compute its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.backbones.vgg_network import DEVIATION, MEAN
from tempo.core.errors import SpecError

LAYOUT = "AlexNet as torchvision writes it"


class Convolution(NamedTuple):
    """One convolution: its place in torchvision's `features`, its shape, and how it is applied."""

    place: int
    shape: tuple[int, int, int, int]
    stride: int
    padding: int
    halved: bool
    """Whether its input is the maximum over 3 x 3 pixels, every second one."""


CONVOLUTIONS = (
    Convolution(0, (64, 3, 11, 11), 4, 2, False),
    Convolution(3, (192, 64, 5, 5), 1, 2, True),
    Convolution(6, (384, 192, 3, 3), 1, 1, True),
    Convolution(8, (256, 384, 3, 3), 1, 1, False),
    Convolution(10, (256, 256, 3, 3), 1, 1, False),
)


class AlexFeatures(nn.Module):
    """Compute what AlexNet makes of pictures [B, 3, H, W] in 0..1 after each rectified convolution.

    Its weights are buffers, so that nothing trains them. Pictures need sides of at least 31.

    Raises:
        SpecError: when the tensors are not those of AlexNet.
    """

    mean: Tensor
    deviation: Tensor
    smallest = 31

    def __init__(self, weights: Mapping[str, Tensor], source: str) -> None:
        super().__init__()
        for name, values in ("mean", MEAN), ("deviation", DEVIATION):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))
        for each in CONVOLUTIONS:
            for name, shape in ("weight", each.shape), ("bias", each.shape[:1]):
                key = f"features.{each.place}.{name}"
                found = tuple(weights[key].shape) if key in weights else None
                if found != shape:
                    raise SpecError(
                        f"{source} is not {LAYOUT}: {key} is "
                        f"{'missing' if found is None else list(found)}, not {list(shape)}"
                    )
                self.register_buffer(f"{name}_{each.place}", weights[key].detach().clone().float())

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the features [B, C, h, w] of the five layers, in their order."""
        x = (pictures - self.mean) / self.deviation
        found: list[Tensor] = []
        for each in CONVOLUTIONS:
            if each.halved:
                x = F.max_pool2d(x, 3, 2)
            weight, bias = (self.get_buffer(f"{name}_{each.place}") for name in ("weight", "bias"))
            x = F.relu(F.conv2d(x, weight, bias, each.stride, each.padding))
            found.append(x)
        return found
