"""List the residual blocks of the network.

A class takes (its options, a Site) and maps [B, C, H, W] to the same shape.

To add one: an `Options` subclass in `tempo.spec.arch_slots.BLOCKS`, a class in a module here and a
line in the table.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tempo.models.blocks.post_act import PostAct
from tempo.models.blocks.pre_act import PreAct
from tempo.models.blocks.swin import Swin
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations

BLOCKS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.BLOCKS, {slots.PreAct: PreAct, slots.PostAct: PostAct, slots.Swin: Swin}
)
