"""Build the layers that other modules share, and describe the place where a block stands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.norms import NORMS, GroupNorm
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


def activated(x: Tensor, norm: nn.Module, act: nn.Module) -> Tensor:
    """Return act(norm(x)): by one kernel where a fused one is in use and knows the two."""
    fused = None
    if isinstance(norm, GroupNorm):
        if isinstance(act, nn.LeakyReLU):
            fused = norm.fused(x, "leaky_relu", act.negative_slope)
        elif isinstance(act, nn.GELU) and act.approximate == "none":
            fused = norm.fused(x, "gelu")
    if fused is not None:
        return fused
    out: Tensor = act(norm(x))
    return out


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
        return activated(self.conv(x), self.norm, self.act)


def double(x: Tensor) -> Tensor:
    """Double the height and width, bilinear with `align_corners=False`.

    Under compilation this is arithmetic on shifted copies: the compiled backward pass of
    `interpolate` adds every output pixel to its four sources atomically, in float32, where this
    one only reads. In eager mode PyTorch's own kernel is the faster one.
    """
    if torch.compiler.is_compiling():
        return gathered_double(x)
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def gathered_double(x: Tensor) -> Tensor:
    """Compute `double` without an index, equal up to the roundings of fused multiply-adds.

    Where products are exact, as those of bfloat16 in float32 are, it is equal to the last bit.
    Half types are computed in float32, as PyTorch's kernel does.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return _double_along(_double_along(wide, 3), 2).to(x.dtype)


def _double_along(x: Tensor, axis: int) -> Tensor:
    """Double one axis: outputs 2 i and 2 i + 1 lie a quarter before and after input i."""
    count = x.shape[axis]
    before = torch.cat((x.narrow(axis, 0, 1), x.narrow(axis, 0, count - 1)), axis)
    after = torch.cat((x.narrow(axis, 1, count - 1), x.narrow(axis, count - 1, 1)), axis)
    pair = (0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after)
    return torch.stack(pair, axis + 1).flatten(axis, axis + 1)
