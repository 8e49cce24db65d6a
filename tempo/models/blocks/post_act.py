"""Define the post-activation residual block (V2; He et al. 2015)."""

from __future__ import annotations

from torch import Tensor, nn

from tempo.models.channel_attention import CHANNEL_ATTENTION
from tempo.models.layers import conv, make_activation
from tempo.models.norms import NORMS
from tempo.models.site import Site
from tempo.spec import arch_slots as slots


class PostAct(nn.Module):
    """conv-norm-act-conv-norm, the (gated) sum with the input, act. The first conv is dilated."""

    def __init__(self, options: slots.PostAct, site: Site) -> None:
        super().__init__()
        width, bias = site.channels, not site.normalised
        self.conv1 = conv(width, width, dilation=site.dilation, bias=bias)
        self.norm1 = NORMS.make(site.norm, width)
        self.conv2 = conv(width, width, bias=bias)
        self.norm2 = NORMS.make(site.norm, width)
        self.act = make_activation(site.activation)
        self.sum = CHANNEL_ATTENTION.make(site.channel_attention, site.channels)

    def forward(self, x: Tensor) -> Tensor:
        change = self.act(self.norm1(self.conv1(x)))
        change = self.norm2(self.conv2(change))
        out: Tensor = self.act(self.sum(x, change))
        return out
