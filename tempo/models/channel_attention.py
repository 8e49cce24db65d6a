"""Add a residual block's change to its input, plainly or gated by channel attention."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations


class PlainAdd(nn.Module):
    """x + change."""

    def __init__(self, options: slots.NoChannelAttention, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        return x + change


class SqueezeExcite(nn.Module):
    """x + g(change) * change, g from globally pooled channels (Hu et al. 2018).

    The gate and the sum are one fused multiply-add over the picture.
    """

    def __init__(self, options: slots.SqueezeExcite, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // options.reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.squeeze(change.mean((2, 3))), 0.01)
        gate = torch.sigmoid(self.excite(hidden))[..., None, None]
        return torch.addcmul(x, change, gate.to(x.dtype))


CHANNEL_ATTENTION: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.CHANNEL_ATTENTION,
    {slots.NoChannelAttention: PlainAdd, slots.SqueezeExcite: SqueezeExcite},
)
