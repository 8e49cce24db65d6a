"""Residual blocks: a class takes (its options, a Site) and maps [B, C, H, W] to the same shape.

To add one: an `Options` subclass registered in `tempo.spec.arch_slots.BLOCKS`, a class in a module
here and a line in the table.
"""

from __future__ import annotations

from torch import nn

from tempo.core.catalog import Catalog
from tempo.models.blocks.post_act import PostAct
from tempo.models.blocks.pre_act import PreAct
from tempo.models.blocks.swin import Swin
from tempo.models.site import Site
from tempo.spec.options import Options

BLOCKS: Catalog[type[nn.Module]] = Catalog(
    "block",
    {
        "post_act": PostAct,
        "pre_act": PreAct,
        "swin": Swin,
    },
)


def make_block(options: Options, site: Site) -> nn.Module:
    """The block that `ArchSpec.block` asks for, at `site`."""
    return BLOCKS.get(options.kind)(options, site)
