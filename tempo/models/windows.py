"""Cut pictures into square windows and attend inside them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn, unflatten

OUTSIDE = -1e4
"""Attention bias of what must not be seen: its softmax weight is exactly 0, in half types too."""


class Windows:
    """Cut [B, C, H, W] into size x size windows; `shift` moves the cuts up and left.

    The picture is padded with zeros to whole windows, and `inside` tells the padding apart.
    """

    def __init__(self, height: int, width: int, size: int, shift: int = 0) -> None:
        self.height, self.width, self.size, self.shift = height, width, size, shift
        self.rows = -(-(height + shift) // size)
        self.columns = -(-(width + shift) // size)

    def split(self, x: Tensor) -> Tensor:
        """Split [B, C, H, W] -> [B, windows, size * size, C]."""
        bottom = self.rows * self.size - self.height - self.shift
        right = self.columns * self.size - self.width - self.shift
        x = F.pad(x.permute(0, 2, 3, 1), (0, 0, self.shift, right, self.shift, bottom))
        x = unflatten(unflatten(x, 2, (self.columns, self.size)), 1, (self.rows, self.size))
        return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def join(self, windows: Tensor) -> Tensor:
        """Join [B, windows, size * size, C] -> [B, C, H, W], channels-last in memory."""
        x = unflatten(unflatten(windows, 2, (self.size,) * 2), 1, (self.rows, self.columns))
        x = x.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        x = x[:, self.shift : self.shift + self.height, self.shift : self.shift + self.width]
        return x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def inside(self, like: Tensor) -> Tensor:
        """Return [windows, size * size]: 0 on the picture and `OUTSIDE` on the padding."""
        ones = like.new_ones((1, 1, self.height, self.width))
        return (self.split(ones)[0, ..., 0] - 1) * -OUTSIDE


class RelativeBias(nn.Module):
    """Hold a learned bias per head and displacement inside a window (Liu et al. 2021)."""

    index: Tensor

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(heads, (2 * size - 1) ** 2))
        row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        rows, columns = row.flatten(), column.flatten()
        down = rows[:, None] - rows[None, :] + size - 1
        across = columns[:, None] - columns[None, :] + size - 1
        self.register_buffer("index", down * (2 * size - 1) + across, persistent=False)

    def forward(self) -> Tensor:
        """Return [heads, size * size (query), size * size (key)]."""
        return self.table[:, self.index]

    def reset_parameters(self) -> None:
        """Start without a preference for any displacement."""
        nn.init.zeros_(self.table)


def head_count(heads: int, channels: int) -> int:
    """Return the largest number of heads up to `heads` that divides `channels`."""
    return next(count for count in range(min(heads, channels), 0, -1) if channels % count == 0)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Split [..., tokens, C] -> [..., heads, tokens, C / heads]."""
    return unflatten(tokens, -1, (heads, -1)).transpose(-2, -3)


def attend(query: Tensor, key: Tensor, value: Tensor, key_bias: Tensor, bias: Tensor) -> Tensor:
    """Compute scaled dot-product attention with one bias per key and one per pair, in one kernel.

    Args:
        query: [..., heads, Q, D].
        key, value: [..., heads, K, D].
        key_bias: broadcasts to [..., heads, K]; carried as an extra channel of the keys, so that
            a bias that differs between samples needs no [Q, K] mask for each.
        bias: [heads, Q, K], shared by all samples and windows.
    """
    width = query.shape[-1]
    scaled = query * width**-0.5
    column = key_bias.to(key.dtype).expand(key.shape[:-1]).unsqueeze(-1)
    query = torch.cat((scaled, torch.ones_like(scaled[..., :1])), -1)
    key = torch.cat((key, column), -1)
    shape = query.shape
    out = F.scaled_dot_product_attention(
        query.flatten(0, -4),
        key.flatten(0, -4),
        value.flatten(0, -4),
        attn_mask=bias.to(query.dtype),
        scale=1.0,
    )
    return unflatten(out, 0, shape[:-3])
