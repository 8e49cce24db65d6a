"""The table of each slot of a network: the kinds that a spec can name and their classes."""

from __future__ import annotations

from typing import Any

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
from tempo.spec.implementations import Implementations

SLOT_TABLES: dict[str, Implementations[Any]] = {
    "block": BLOCKS,
    "conditioning": CONDITIONING,
    "decoder": DECODERS,
    "fusion": FUSIONS,
    "head": HEADS,
    "norm": NORMS,
    "output": OUTPUTS,
    "residual_group": RESIDUAL_GROUPS,
    "scene_cut": SCENE_CUTS,
    "se": CHANNEL_ATTENTION,
    "temporal_weights": TEMPORAL_WEIGHTS,
    "time_encoder": TIME_ENCODERS,
}
"""By the name of the slot's field in ArchSpec."""
