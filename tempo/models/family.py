"""Define TempoNet: predict a frame at any time from N frames at given times, without flow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn, unflatten

from tempo.models.decoder import Decoder
from tempo.models.encoder import Encoder
from tempo.models.fusion.pyramid import PyramidFusion
from tempo.models.head import HEADS
from tempo.models.output import OUTPUTS, SCENE_CUTS
from tempo.models.temporal.conditioning import CONDITIONING
from tempo.models.temporal.relative_time import relative
from tempo.models.temporal.time_encoders import make_time_encoder, reads_time
from tempo.models.temporal.weighting import TEMPORAL_WEIGHTS
from tempo.spec.arch import SCALES, ArchSpec

STRIDE = 2 ** (SCALES - 1)
"""The deepest stride: frames are padded to a multiple of it."""
MOST_VIEWS = 16


class TempoNet(nn.Module):
    """Run encoder, fusion per scale, decoder and head, each as `arch` describes."""

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
        padded, margins = pad_to_stride(frames.flatten(0, 1) - 0.5)
        pyramid = self.encoder(padded, codes.flatten(0, 1))
        by_view = [unflatten(features, 0, (batch, views)) for features in pyramid]
        fused = self.fusion(by_view, weights, moments.mask)
        change = unpad(self.head(self.decoder(fused, target)), margins)
        picture = self.output(change, frames, weights)
        out: Tensor = self.scene_cut(picture, frames, moments)
        return out


Margins = tuple[int, int, int, int]
"""left, right, top, bottom, in pixels."""


def pad_to_stride(x: Tensor, stride: int = STRIDE) -> tuple[Tensor, Margins]:
    """Replicate-pad [M, C, H, W], centred, to a multiple of `stride`; channels-last in memory."""
    down, across = -x.shape[2] % stride, -x.shape[3] % stride
    margins = (across // 2, across - across // 2, down // 2, down - down // 2)
    if any(margins):
        x = F.pad(x, margins, mode="replicate")
    return x.contiguous(memory_format=torch.channels_last), margins


def unpad(x: Tensor, margins: Margins) -> Tensor:
    """Remove `margins`."""
    left, right, top, bottom = margins
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]
