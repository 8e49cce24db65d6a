"""Name architectures by their differences from ArchSpec's defaults, which are V3."""

from __future__ import annotations

from typing import Any

from tempo.core.catalog import Catalog, unknown
from tempo.spec.yaml.overlay import merge
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.value_tree import Mapped, Node, Scalar, written

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


def expand_preset(arch: Node, problems: Problems) -> Node:
    """Return an `arch` section with its `preset` replaced by that preset's fields.

    An unknown preset goes to `problems`; the other fields are then kept as they are.
    """
    if not isinstance(arch, Mapped) or "preset" not in arch.entries:
        return arch
    name, fields = arch.entries["preset"].node, arch.without("preset")
    if not isinstance(name, Scalar) or name.value not in PRESETS:
        given = name.value if isinstance(name, Scalar) else "a collection"
        problems.add(unknown(PRESETS.what, given, PRESETS), name.place)
        return fields
    return merge(written(PRESETS.get(str(name.value)), name.place), fields)
