"""Named points of the family: what differs from ArchSpec's defaults, which are V3."""

from __future__ import annotations

from typing import Any

from tempo.core.catalog import Catalog

PRESETS: Catalog[dict[str, Any]] = Catalog(
    "architecture preset",
    {
        "tempo_v2": {
            "blocks": [0, 1, 1, 2],
            "block": "post_act",
            "se": "none",
            "dilations": [1],
            "residual_group": "none",
            "conditioning": "film",
            "decoder": "plain",
            "head": "blocks",
            "activation": "leaky_relu",
        },
        "tempo_v3": {},
        "tempo_v3_light": {"blocks": 4},
        "tempo_v3_deep": {"blocks": 12},
    },
)
