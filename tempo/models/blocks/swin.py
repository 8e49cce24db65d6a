"""Define the shifted-window attention block (Liu et al. 2021)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.channel_attention import CHANNEL_ATTENTION
from tempo.models.site import Site
from tempo.models.windows import RelativeBias, Windows, attend, head_count, split_heads
from tempo.spec import arch_slots as slots


class Swin(nn.Module):
    """Window attention, then a two-layer perceptron; odd blocks of a chain shift their windows.

    Layer normalisation is part of the block whatever `norm` says, and a dilation has no meaning
    here. The (gated) sum of the channel attention adds the perceptron's change.
    """

    def __init__(self, options: slots.Swin, site: Site) -> None:
        super().__init__()
        width = site.channels
        self.size = options.window
        self.shift = options.window // 2 if site.index % 2 else 0
        self.heads = head_count(options.heads, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_value = nn.Linear(width, 2 * width)
        # A key bias adds the same to every score of a query, which the softmax takes out again.
        self.key = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.bias = RelativeBias(options.window, self.heads)
        hidden = max(1, round(width * options.mlp_ratio))
        self.expand, self.contract = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.sum = CHANNEL_ATTENTION.make(site.channel_attention, site.channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attention(x)
        pixels = self.norm2(x.permute(0, 2, 3, 1))
        change = self.contract(F.gelu(self.expand(pixels))).permute(0, 3, 1, 2)
        out: Tensor = self.sum(x, change)
        return out

    def _attention(self, x: Tensor) -> Tensor:
        windows = Windows(x.shape[2], x.shape[3], self.size, self.shift)
        tokens = self.norm1(windows.split(x))
        query, value = self.query_value(tokens).chunk(2, -1)
        mixed = attend(
            split_heads(query, self.heads),
            split_heads(self.key(tokens), self.heads),
            split_heads(value, self.heads),
            windows.inside(x)[:, None],
            self.bias(),
        )
        return windows.join(self.out(mixed.transpose(-2, -3).flatten(-2)))
