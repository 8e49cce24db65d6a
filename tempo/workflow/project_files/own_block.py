"""A block of this project: a convolution in each channel, then one that mixes the channels."""

from typing import Any, Literal

from tempo.plugins import Field, Options, register


class Depthwise(Options):
    """A depthwise convolution, an activation, a pointwise convolution."""

    kind: Literal["depthwise"] = "depthwise"
    size: int = Field(5, ge=1, le=15, description="side of the depthwise kernel, an odd number")


def depthwise(options: Depthwise, site: Any) -> Any:
    """Return a module that maps [B, site.channels, H, W] to the same shape."""
    from torch import nn  # Here, so that a plan needs no torch.

    width, size = site.channels, options.size
    return nn.Sequential(
        nn.Conv2d(width, width, size, padding=size // 2, groups=width),
        nn.GELU(),
        nn.Conv2d(width, width, 1),
    )


register("block", Depthwise, depthwise)
