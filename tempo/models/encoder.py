"""Encode one frame into time-conditioned features at four scales."""

from __future__ import annotations

from torch import Tensor, nn

from tempo.models.block_chain import Chain
from tempo.models.layers import ConvNormAct
from tempo.models.site import site_of
from tempo.models.temporal.conditioning import CONDITIONING
from tempo.spec.arch import ArchSpec


class EncoderStage(nn.Module):
    """Encode one scale: entry (stem or downsampling), groups of blocks, conditioning."""

    def __init__(self, arch: ArchSpec, scale: int, time_channels: int) -> None:
        super().__init__()
        site = site_of(arch, arch.channels[scale])
        if scale == 0:
            self.entry = ConvNormAct(3, site, size=7)
        else:
            self.entry = ConvNormAct(arch.channels[scale - 1], site, stride=2)
        self.groups = nn.Sequential(
            *(
                Chain(
                    arch.block,
                    site,
                    count,
                    dilations=arch.dilations,
                    group=arch.residual_group,
                    checkpointing=arch.checkpointing,
                )
                for count in arch.blocks[scale]
            )
        )
        self.conditioning = CONDITIONING.make(arch.conditioning, site.channels, time_channels)

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        out: Tensor = self.conditioning(self.groups(self.entry(x)), codes)
        return out


class Encoder(nn.Module):
    """Map [M, 3, H, W] and codes [M, time_channels] to features at 1, 1/2, 1/4 and 1/8.

    The finest come first. M is batch times views: all views are encoded at once.
    """

    def __init__(self, arch: ArchSpec, time_channels: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            EncoderStage(arch, scale, time_channels) for scale in range(len(arch.channels))
        )

    def forward(self, x: Tensor, codes: Tensor) -> list[Tensor]:
        pyramid: list[Tensor] = []
        for stage in self.stages:
            x = stage(x, codes)
            pyramid.append(x)
        return pyramid
