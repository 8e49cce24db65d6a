"""Define the pre-activation residual block (V3; He et al. 2016, Identity Mappings)."""

from __future__ import annotations

from torch import Tensor, nn

from tempo.models.channel_attention import CHANNEL_ATTENTION
from tempo.models.layers import conv, make_activation
from tempo.models.norms import NORMS
from tempo.models.site import Site
from tempo.spec import arch_slots as slots


class PreAct(nn.Module):
    """norm-act-conv, norm-act-conv, then the (gated) sum with the input.

    Only the first convolution is dilated: the second mixes what the first one skipped, so that
    dilation leaves no grid.
    """

    def __init__(self, options: slots.PreAct, site: Site) -> None:
        super().__init__()
        width, bias = site.channels, not site.normalised
        self.norm1 = NORMS.make(site.norm, width)
        self.conv1 = conv(width, width, dilation=site.dilation, bias=bias)
        self.norm2 = NORMS.make(site.norm, width)
        self.conv2 = conv(width, width, bias=bias)
        self.act = make_activation(site.activation)
        self.sum = CHANNEL_ATTENTION.make(site.channel_attention, site.channels)

    def forward(self, x: Tensor) -> Tensor:
        change = self.conv1(self.act(self.norm1(x)))
        change = self.conv2(self.act(self.norm2(change)))
        out: Tensor = self.sum(x, change)
        return out
