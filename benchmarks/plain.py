"""TEMPO written down plainly, as the yardstick of `model_step.py`: NCHW, views in a loop.

The same convolutions, widths and order of operations as the family's V2 and V3, with
torch.nn.GroupNorm and nothing done for speed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.norms import group_count
from tempo.spec.arch import ArchSpec

TIME = 64


def norm(channels: int) -> nn.Module:
    return nn.GroupNorm(group_count(8, channels), channels)


class Block(nn.Module):
    """V3's (pre-activation, squeeze-and-excitation) or V2's (post-activation) residual block."""

    def __init__(self, channels: int, dilation: int, v3: bool) -> None:
        super().__init__()
        self.v3 = v3
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, dilation, dilation)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        if v3:
            self.squeeze = nn.Linear(channels, channels // 8 or 1)
            self.excite = nn.Linear(channels // 8 or 1, channels)

    def forward(self, x: Tensor) -> Tensor:
        if not self.v3:
            change = F.leaky_relu(self.norm1(self.conv1(x)), 0.2)
            return F.leaky_relu(x + self.norm2(self.conv2(change)), 0.2)
        change = self.conv1(F.gelu(self.norm1(x)))
        change = self.conv2(F.gelu(self.norm2(change)))
        gate = self.excite(F.relu(self.squeeze(change.mean((2, 3))))).sigmoid()
        return x + change * gate[..., None, None]


class Group(nn.Module):
    """Blocks; in V3 under x0 + s * (chain(x0) - x0)."""

    def __init__(self, channels: int, count: int, v3: bool, dilations: tuple[int, ...]) -> None:
        super().__init__()
        rates = [dilations[i % len(dilations)] for i in range(count)]
        self.blocks = nn.Sequential(*(Block(channels, rate, v3) for rate in rates))
        self.scale = nn.Parameter(torch.tensor(0.1)) if v3 else None

    def forward(self, x: Tensor) -> Tensor:
        end: Tensor = self.blocks(x)
        return end if self.scale is None else x + self.scale * (end - x)


class Modulate(nn.Module):
    """FiLM; in V3 under a spatial attention map."""

    def __init__(self, channels: int, v3: bool) -> None:
        super().__init__()
        hidden: list[nn.Module] = []
        for _ in range(2 if v3 else 1):
            hidden += [nn.Linear(TIME, TIME), nn.GELU()]
        self.mlp = nn.Sequential(*hidden, nn.Linear(TIME, 2 * channels))
        self.attention = (
            nn.Sequential(
                nn.Conv2d(channels, channels // 8 or 1, 1),
                nn.GELU(),
                nn.Conv2d(channels // 8 or 1, 1, 1),
                nn.Sigmoid(),
            )
            if v3
            else None
        )

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        gamma, beta = self.mlp(code)[..., None, None].chunk(2, 1)
        out = (1 + gamma) * x + beta
        return out if self.attention is None else x + self.attention(x) * (out - x)


class Entry(nn.Module):
    """Convolution, normalisation, activation."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, v3: bool) -> None:
        super().__init__()
        self.v3 = v3
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2)
        self.norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.gelu(x) if self.v3 else F.leaky_relu(x, 0.2)


class PlainTempo(nn.Module):
    """V2 or V3 (told apart by the block's kind) with the widths, blocks and dilations of `arch`."""

    def __init__(self, arch: ArchSpec) -> None:
        super().__init__()
        widths = arch.channels
        self.v3 = v3 = arch.block.kind == "pre_act"
        refine: tuple[int, ...] = arch.decoder.refine  # type: ignore[attr-defined]
        self.time = nn.Linear(20, TIME)
        self.score = nn.Sequential(nn.Linear(TIME, TIME), nn.GELU(), nn.Linear(TIME, 1))
        self.entries, self.groups, self.views = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for scale, width in enumerate(widths):
            entry = (widths[scale - 1], width, 3, 2) if scale else (3, width, 7, 1)
            self.entries.append(Entry(*entry, v3))
            counts = arch.blocks[scale]
            chains = (Group(width, count, v3, arch.dilations) for count in counts)
            self.groups.append(nn.Sequential(*chains))
            self.views.append(Modulate(width, v3))
        self.ups, self.merges = nn.ModuleList(), nn.ModuleList()
        self.refine, self.targets = nn.ModuleList(), nn.ModuleList()
        inputs = widths[-1]
        for width, count in zip(widths[-2::-1], refine, strict=True):
            up = Entry(inputs, width, 3, 1, v3) if v3 else nn.Conv2d(inputs, width, 3, 1, 1)
            self.ups.append(up)
            self.merges.append(nn.Conv2d(2 * width, width, 3, 1, 1) if v3 else nn.Identity())
            self.refine.append(nn.Sequential(*(Block(width, 1, v3) for _ in range(count))))
            self.targets.append(Modulate(width, v3))
            inputs = width if v3 else 2 * width
        self.head = self._head(widths[0], inputs)

    def _head(self, width: int, inputs: int) -> nn.Sequential:
        first = nn.Conv2d(inputs, width, 3, 1, 1)
        if not self.v3:
            blocks = (Block(width, 1, False) for _ in range(2))
            return nn.Sequential(first, *blocks, nn.Conv2d(width, 3, 3, 1, 1))
        second = nn.Conv2d(width, width // 2, 3, 1, 1)
        last = nn.Conv2d(width // 2, 3, 3, 1, 1)
        return nn.Sequential(first, nn.GELU(), second, nn.GELU(), last)

    def encode_time(self, dt: Tensor) -> Tensor:
        angles = dt[:, None] * (torch.pi / 4) * 2.0 ** torch.arange(10, device=dt.device)
        code: Tensor = self.time(torch.cat((angles.sin(), angles.cos()), 1))
        return code

    def forward(self, frames: Tensor, times: Tensor, target: Tensor) -> Tensor:
        pyramids, scores = [], []
        for view in range(frames.shape[1]):
            dt = times[:, view] - target
            code, x, features = self.encode_time(dt), frames[:, view] - 0.5, []
            for entry, group, modulate in zip(self.entries, self.groups, self.views, strict=True):
                x = modulate(group(entry(x)), code)
                features.append(x)
            pyramids.append(features)
            scores.append(self.score(code)[:, 0] - dt.square())
        weights = torch.stack(scores, 1).softmax(1)
        fused = []
        for level in zip(*pyramids, strict=True):
            parts = [weights[:, i, None, None, None] * each for i, each in enumerate(level)]
            fused.append(torch.stack(parts).sum(0).to(level[0].dtype))
        return self._decode(fused, self.encode_time(target - 0.5), frames, weights)

    def _decode(self, fused: list[Tensor], code: Tensor, frames: Tensor, weights: Tensor) -> Tensor:
        x, skips = fused[-1], fused[-2::-1]
        stages = zip(self.ups, self.merges, self.refine, self.targets, skips, strict=True)
        for up, merge, refine, modulate, skip in stages:
            x = up(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
            if self.v3:
                x = modulate(refine(merge(torch.cat((x, skip), 1))), code)
            else:
                x = torch.cat((modulate(refine(x), code), skip), 1)
        change: Tensor = self.head(x)
        return (frames * weights[..., None, None, None]).sum(1) + change
