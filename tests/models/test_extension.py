"""A new block is an options class, a class and a registration; nothing else is edited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from torch import Tensor, nn

from tempo.core.errors import UnknownNameError
from tempo.models.blocks import BLOCKS
from tempo.models.layers import Site
from tempo.spec import arch_slots as slots
from tempo.spec.options import Options
from tests.models.conformance import LAWS, points, small


class Depthwise(Options):
    kind: Literal["depthwise"] = "depthwise"
    size: int = 5


class DepthwiseBlock(nn.Module):
    def __init__(self, options: Depthwise, site: Site) -> None:
        super().__init__()
        width, size = site.channels, options.size
        self.spread = nn.Conv2d(width, width, size, padding=size // 2, groups=width)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.mix(self.spread(x).relu())
        return out


@pytest.fixture
def registered() -> Iterator[None]:
    BLOCKS.add(Depthwise, DepthwiseBlock)
    yield
    BLOCKS.remove("depthwise")
    assert "depthwise" not in BLOCKS
    assert "depthwise" not in slots.BLOCKS


@pytest.mark.usefixtures("registered")
def test_a_new_block_can_be_named_and_is_held_to_every_law() -> None:
    assert small(block={"kind": "depthwise", "size": 3}).block == Depthwise(size=3)
    arch = points()["block=depthwise"]
    for law in LAWS.values():
        law(arch)


def test_an_unregistered_block_names_the_known_ones() -> None:
    with pytest.raises((UnknownNameError, ValueError), match="known: pre_act, post_act, swin"):
        small(block="depthwise")


class Lopsided(DepthwiseBlock):
    """Breaks a law: a sample depends on its batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


@pytest.mark.usefixtures("registered")
def test_a_block_that_breaks_a_law_is_caught() -> None:
    BLOCKS.remove("depthwise")
    BLOCKS.add(Depthwise, Lopsided)
    with pytest.raises(AssertionError, match="alone: differs by"):
        LAWS["a_sample_does_not_depend_on_its_batch"](points()["block=depthwise"])
