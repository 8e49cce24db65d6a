"""Channel attention inside residual blocks: how a block's change is added to its input."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.core.catalog import Catalog
from tempo.models.site import Site
from tempo.spec import arch_slots as slots


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


CHANNEL_ATTENTION: Catalog[type[nn.Module]] = Catalog(
    "channel attention", {"none": PlainAdd, "squeeze_excite": SqueezeExcite}
)


def make_sum(site: Site) -> nn.Module:
    """How a block at `site` adds its change to its input."""
    options = site.channel_attention
    return CHANNEL_ATTENTION.get(options.kind)(options, site.channels)
