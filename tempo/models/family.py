"""Define TempoNet: predict a frame at any time from N frames at given times.

Each module's parameters come from a generator seeded with (seed, "init", its path). Modules that
two variants share therefore start equal to the last bit, whatever else differs between the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn, unflatten

from tempo.core.plugins.parts import part_of
from tempo.core.seeding import stream
from tempo.models.blocks import Chain
from tempo.models.fusion import PyramidFusion
from tempo.models.layers import ConvNormAct, conv, double, site_of
from tempo.models.motion import MOTIONS
from tempo.models.output import HEADS, OUTPUTS, SCENE_CUTS
from tempo.models.own_networks import build_own, make_network
from tempo.models.padding import pad_to_stride, unpad
from tempo.models.temporal.conditioning import CONDITIONING
from tempo.models.temporal.time_encoders import make_time_encoder, reads_time
from tempo.models.temporal.weighting import TEMPORAL_WEIGHTS, relative
from tempo.spec import arch_slots as slots
from tempo.spec.arch import ArchSpec
from tempo.spec.implementations import Implementations
from tempo.spec.networks import Network


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
                    checkpointing=arch.checkpointing is True,
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


class PlainStage(nn.Module):
    """up, conv, blocks, conditioning, then the skip is concatenated (V2)."""

    def __init__(
        self, arch: ArchSpec, inputs: int, channels: int, blocks: int, time_channels: int
    ) -> None:
        super().__init__()
        self.outputs = 2 * channels
        self.up = conv(inputs, channels)
        self.chain = Chain(
            arch.block, site_of(arch, channels), blocks, checkpointing=arch.checkpointing is True
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
        self.chain = Chain(arch.block, site, blocks, checkpointing=arch.checkpointing is True)
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
        options: Any = arch.decoder
        stage = partial(DECODERS.of(options))
        if part_of(DECODERS.options.what, options.kind):
            # A plug-in's decoder is handed its options, as every part of a plug-in is.
            stage = partial(stage, options)
        self.stages = nn.ModuleList()
        self.outputs = arch.channels[-1]
        refine = getattr(options, "refine", (1, 1, 1))
        for channels, blocks in zip(arch.channels[-2::-1], refine, strict=True):
            entry = stage(arch, self.outputs, channels, blocks, time_channels)
            self.outputs = entry.outputs
            self.stages.append(entry)

    def forward(self, fused: list[Tensor], code: Tensor) -> Tensor:
        x = fused[-1]
        for stage, skip in zip(self.stages, fused[-2::-1], strict=True):
            x = stage(x, skip, code)
        return x


MOST_VIEWS = 16


class TempoNet(nn.Module):
    """Run motion, encoder, fusion per scale, decoder and head, each as `arch` describes."""

    def __init__(self, arch: ArchSpec) -> None:
        super().__init__()
        self.arch = arch
        conditioned = reads_time(CONDITIONING.of(arch.conditioning))
        weighted = reads_time(TEMPORAL_WEIGHTS.of(arch.temporal_weights))
        self.time_encoder = make_time_encoder(
            arch.time_encoder, views=conditioned or weighted, target=conditioned
        )
        width = int(self.time_encoder.channels)  # type: ignore[arg-type]
        self.temporal_weights = TEMPORAL_WEIGHTS.make(arch.temporal_weights, width)
        self.motion = MOTIONS.make(arch.motion)
        self.encoder = Encoder(arch, width)
        self.fusion = PyramidFusion(arch)
        self.decoder = Decoder(arch, width)
        self.head = HEADS.make(arch.head, arch, self.decoder.outputs)
        self.output = OUTPUTS.make(arch.output)
        self.scene_cut = SCENE_CUTS.make(arch.scene_cut)

    def initialise(self, generator: torch.Generator) -> None:
        """Zero the residual, so that the first output is the blend of the frames."""
        if self.output.starts_at_zero:
            nn.init.zeros_(self.head.last.weight)

    def forward(
        self, frames: Tensor, times: Tensor, target_time: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return the frame at `target_time`, not clamped.

        Args:
            frames: [B, N, 3, H, W] RGB in [0, 1], 1 < N <= 16, any order, any H and W.
            times: [B, N], in any one unit; may differ within the batch.
            target_time: [B], in the same unit; outside the frames' interval is extrapolation.
            mask: [B, N] bool, False for unused views; at least one view per sample is used.

        Returns:
            [B, 3, H, W].

        Raises:
            ValueError: when the number of views is outside 2 to 16.
        """
        batch, views = frames.shape[:2]
        if not 1 < views <= MOST_VIEWS:
            raise ValueError(f"TEMPO takes 2 to {MOST_VIEWS} views, not {views}")
        if mask is not None:
            frames = frames.masked_fill(~mask.bool()[..., None, None, None], 0.0)
        moments = relative(times, target_time, mask)
        codes, target = self.time_encoder(moments)
        weights = self.temporal_weights(codes, moments)
        aligned, shares = self.motion(frames, weights, moments)
        padded, margins = pad_to_stride(aligned.flatten(0, 1) - 0.5)
        pyramid = self.encoder(padded, codes.flatten(0, 1))
        by_view = [unflatten(features, 0, (batch, views)) for features in pyramid]
        fused = self.fusion(by_view, weights, moments.mask)
        change = unpad(self.head(self.decoder(fused, target)), margins)
        picture = self.output(change, aligned, shares)
        out: Tensor = self.scene_cut(picture, frames, moments)
        return out


def build_model(arch: Network, seed: int) -> nn.Module:
    """Build the network of `arch` on the CPU, channels-last, from `seed`; global RNGs stay.

    Raises:
        TypeError: when a module of TEMPO with parameters defines no initialisation.
        PluginError: when a network of a plug-in cannot be made.
    """
    net = build_tempo(arch, seed) if isinstance(arch, ArchSpec) else build_own(arch, seed)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def build_tempo(arch: ArchSpec, seed: int) -> TempoNet:
    """Build a `TempoNet` on the CPU, initialised from `seed`; global RNGs stay.

    Raises:
        TypeError: when a module with parameters defines no initialisation.
    """
    with torch.random.fork_rng(devices=[]):
        net = TempoNet(arch)
        initialise(net, seed)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def unbuilt(arch: Network) -> nn.Module:
    """Make the network of `arch` on the meta device, without weights, to be counted."""
    with torch.device("meta"):
        return TempoNet(arch) if isinstance(arch, ArchSpec) else make_network(arch)


def initialise(net: nn.Module, seed: int) -> None:
    """Initialise all parameters, children first, so that a module can overrule its parts.

    Moves the global CPU generator.
    """
    for path, module in reversed(list(net.named_modules())):
        key = stream(seed, "init", path)
        generator = torch.Generator().manual_seed(key)
        own = getattr(module, "initialise", None)
        if callable(own):
            own(generator)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            _layer(module, generator)
        elif next(module.parameters(recurse=False), None) is not None:
            _own_reset(module, path, key)


def _layer(module: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Draw weights of variance 2 / fan-in (He et al. 2015; linear: 1 / fan-in); zero the biases."""
    fan_in = module.weight[0].numel()
    gain = 2.0 if isinstance(module, nn.Conv2d) else 1.0
    nn.init.normal_(module.weight, 0.0, math.sqrt(gain / fan_in), generator=generator)
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def _own_reset(module: nn.Module, path: str, key: int) -> None:
    reset = getattr(module, "reset_parameters", None)
    if not callable(reset):
        raise TypeError(
            f"{type(module).__name__} at {path!r} has parameters but neither "
            "`initialise(generator)` nor `reset_parameters()`"
        )
    # Not `torch.manual_seed`, which seeds the generators of every GPU, too.
    torch.default_generator.manual_seed(key)
    reset()
