"""A small network in the manner of CAIN (Choi et al. 2020): no flow, attention over channels.

It is not part of Tempo: `study.yaml` beside it trains it next to TEMPO V2.
"""

import torch
from torch import nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from tempo.plugins import MidpointNetwork

SHUFFLE = 4


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.convs = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GELU(),
                                   nn.Conv2d(width, width, 3, padding=1))  # fmt: skip
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1), nn.Sigmoid())

    def forward(self, x):
        change = self.convs(x)
        return x + change * self.gate(change)


class Cain(nn.Module):
    """Takes two pictures whose sides are multiples of `SHUFFLE`, returns the one in the middle."""

    def __init__(self, width, depth):
        super().__init__()
        self.entry = nn.Conv2d(6 * SHUFFLE**2, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.exit = nn.Conv2d(width, 3 * SHUFFLE**2, 3, padding=1)
        nn.init.zeros_(self.exit.weight)

    def forward(self, first, second):
        packed = pixel_unshuffle(torch.cat((first, second), 1), SHUFFLE)
        change = pixel_shuffle(self.exit(self.blocks(self.entry(packed))), SHUFFLE)
        return (first + second) / 2 + change


class CainLike(MidpointNetwork):
    """The network as Tempo calls it."""

    exempt = {"reversal": "the two frames enter one convolution, each by weights of its own"}

    def __init__(self, width=32, depth=4):
        super().__init__(Cain(width, depth), stride=SHUFFLE)
