"""Every slot of the family: what can be named in a spec, and the classes that do the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from tempo.core.catalog import Catalog
from tempo.models.blocks import BLOCKS
from tempo.models.channel_attention import CHANNEL_ATTENTION
from tempo.models.decoder import DECODERS
from tempo.models.fusion import FUSIONS
from tempo.models.head import HEADS
from tempo.models.norms import NORMS
from tempo.models.output import OUTPUTS, SCENE_CUTS
from tempo.models.residual_groups import RESIDUAL_GROUPS
from tempo.models.temporal.conditioning import CONDITIONING
from tempo.models.temporal.time_encoders import TIME_ENCODERS
from tempo.models.temporal.weighting import TEMPORAL_WEIGHTS
from tempo.spec import arch_slots as slots
from tempo.spec.options import OptionsCatalog


@dataclass(frozen=True, slots=True)
class Registry:
    """The two tables of one slot. They list the same kinds."""

    options: OptionsCatalog
    classes: Catalog[Any] | Catalog[Callable[..., nn.Module]]


PARTS: dict[str, Registry] = {
    "block": Registry(slots.BLOCKS, BLOCKS),
    "conditioning": Registry(slots.CONDITIONING, CONDITIONING),
    "decoder": Registry(slots.DECODERS, DECODERS),
    "fusion": Registry(slots.FUSIONS, FUSIONS),
    "head": Registry(slots.HEADS, HEADS),
    "norm": Registry(slots.NORMS, NORMS),
    "output": Registry(slots.OUTPUTS, OUTPUTS),
    "residual_group": Registry(slots.RESIDUAL_GROUPS, RESIDUAL_GROUPS),
    "scene_cut": Registry(slots.SCENE_CUTS, SCENE_CUTS),
    "se": Registry(slots.CHANNEL_ATTENTION, CHANNEL_ATTENTION),
    "temporal_weights": Registry(slots.TEMPORAL_WEIGHTS, TEMPORAL_WEIGHTS),
    "time_encoder": Registry(slots.TIME_ENCODERS, TIME_ENCODERS),
}
"""By the name of the slot's field in ArchSpec."""
