"""Decode fused features at four scales, conditioned on the target time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tempo.models.block_chain import Chain
from tempo.models.layers import ConvNormAct, conv, double
from tempo.models.site import site_of
from tempo.models.temporal.conditioning import CONDITIONING
from tempo.spec import arch_slots as slots
from tempo.spec.arch import ArchSpec
from tempo.spec.implementations import Implementations


class PlainStage(nn.Module):
    """up, conv, blocks, conditioning, then the skip is concatenated (V2)."""

    def __init__(
        self, arch: ArchSpec, inputs: int, channels: int, blocks: int, time_channels: int
    ) -> None:
        super().__init__()
        self.outputs = 2 * channels
        self.up = conv(inputs, channels)
        self.chain = Chain(
            arch.block, site_of(arch, channels), blocks, checkpointing=arch.checkpointing
        )
        self.conditioning = CONDITIONING.make(arch.conditioning, channels, time_channels)

    def forward(self, x: Tensor, skip: Tensor, code: Tensor) -> Tensor:
        x = self.conditioning(self.chain(self.up(double(x))), code)
        return torch.cat((x, skip), 1)


class RefinedStage(nn.Module):
    """up, conv-norm-act, skip concatenated, conv, blocks, conditioning (V3)."""

    def __init__(
        self, arch: ArchSpec, inputs: int, channels: int, blocks: int, time_channels: int
    ) -> None:
        super().__init__()
        site = site_of(arch, channels)
        self.outputs = channels
        self.up = ConvNormAct(inputs, site)
        self.merge = conv(2 * channels, channels)
        self.chain = Chain(arch.block, site, blocks, checkpointing=arch.checkpointing)
        self.conditioning = CONDITIONING.make(arch.conditioning, channels, time_channels)

    def forward(self, x: Tensor, skip: Tensor, code: Tensor) -> Tensor:
        x = self.merge(torch.cat((self.up(double(x)), skip), 1))
        out: Tensor = self.conditioning(self.chain(x), code)
        return out


DECODERS: Implementations[Callable[..., PlainStage | RefinedStage]] = Implementations(
    slots.DECODERS, {slots.PlainDecoder: PlainStage, slots.RefinedDecoder: RefinedStage}
)


class Decoder(nn.Module):
    """Map fused features, finest first, and the code [B, time_channels] -> [B, outputs, H, W].

    `stages` run from 1/4 to 1, with as many blocks each as the decoder's `refine` says.
    """

    def __init__(self, arch: ArchSpec, time_channels: int) -> None:
        super().__init__()
        options = arch.decoder
        assert isinstance(options, slots.PlainDecoder | slots.RefinedDecoder)
        stage = DECODERS.of(options)
        self.stages = nn.ModuleList()
        self.outputs = arch.channels[-1]
        for channels, blocks in zip(arch.channels[-2::-1], options.refine, strict=True):
            entry = stage(arch, self.outputs, channels, blocks, time_channels)
            self.outputs = entry.outputs
            self.stages.append(entry)

    def forward(self, fused: list[Tensor], code: Tensor) -> Tensor:
        x = fused[-1]
        for stage, skip in zip(self.stages, fused[-2::-1], strict=True):
            x = stage(x, skip, code)
        return x
