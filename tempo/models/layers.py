"""Build the layers that other modules share, and describe the place where a block stands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.norms import NORMS
from tempo.spec.arch import ArchSpec
from tempo.spec.options import Options


@dataclass(frozen=True, slots=True)
class Site:
    """Describe one place in the network. A block maps [B, channels, H, W] to the same shape."""

    channels: int
    norm: Options
    activation: str
    channel_attention: Options
    dilation: int = 1
    index: int = 0
    """Position in its chain of blocks; shifted windows alternate with it."""

    @property
    def normalised(self) -> bool:
        """Whether a normalisation follows, so that a convolution's own bias would be redundant."""
        return self.norm.kind != "none"

    def step(self, index: int, dilation: int = 1) -> Site:
        """Return the place of block `index` in a chain."""
        return replace(self, index=index, dilation=dilation)


def site_of(arch: ArchSpec, channels: int) -> Site:
    """Return the place that `arch` describes, `channels` wide."""
    return Site(
        channels=channels, norm=arch.norm, activation=arch.activation, channel_attention=arch.se
    )


ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "leaky_relu": nn.LeakyReLU}
LEAKY_SLOPE = 0.2


def make_activation(name: str) -> nn.Module:
    """Return the activation called `name` in `ArchSpec.activation`."""
    return nn.LeakyReLU(LEAKY_SLOPE) if name == "leaky_relu" else ACTIVATIONS[name]()


def conv(
    inputs: int,
    outputs: int,
    size: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    bias: bool = True,
) -> nn.Conv2d:
    """Return a convolution that keeps H and W (at stride 1). Zero padding."""
    padding = dilation * (size // 2)
    return nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=bias)


class Parameterless(nn.Module):
    """Take the arguments of its slot's other modules, and hold no parameters."""

    def __init__(self, *arguments: object) -> None:
        super().__init__()


class ConvNormAct(nn.Module):
    """convolution, normalisation, activation: [B, inputs, H, W] -> [B, site.channels, H', W']."""

    def __init__(self, inputs: int, site: Site, size: int = 3, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = conv(inputs, site.channels, size, stride=stride, bias=not site.normalised)
        self.norm = NORMS.make(site.norm, site.channels)
        self.act = make_activation(site.activation)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


def double(x: Tensor) -> Tensor:
    """Double the height and width, bilinear with `align_corners=False`."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
