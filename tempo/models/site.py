"""Describe the place in the network where a block is installed: width, norm, activation."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
