"""Write out what a spec may abbreviate: architecture presets and the long form of a batch.

A preset is its differences from ArchSpec's defaults, which are V3.
"""

from __future__ import annotations

from typing import Any

from tempo.core.catalog import Catalog, unknown
from tempo.core.errors import SpecError
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.value_tree import Entry, Mapped, Node, Scalar, merge, nested, written

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


BATCH = ("global", "micro")
"""Parts of the long form `batch: {global: 16, micro: auto}`."""

MICRO = ("runtime", "micro_batch")


def short_form(tree: Mapped) -> Mapped:
    """Return the tree with a long batch written as `recipe.batch` and `runtime.micro_batch`.

    The global batch is what an optimiser step sees and part of a run's identity; the micro-batch is
    how much of it a device takes at a time, which changes no result.

    Raises:
        SpecError: when the long form has a key of its own.
    """
    recipe = tree.get("recipe")
    batch = recipe.get("batch") if isinstance(recipe, Mapped) else None
    if not isinstance(recipe, Mapped) or not isinstance(batch, Mapped):
        return tree
    for key, (place, _) in batch.entries.items():
        if key not in BATCH:
            raise SpecError(unknown("part of a batch", key, BATCH), place)
    size, micro = batch.entries.get("global"), batch.entries.get("micro")
    left = recipe.without("batch")
    changed = left.with_entry("batch", size) if size else left
    tree = tree.with_entry("recipe", Entry(tree.entries["recipe"].key, changed))
    return merge(tree, nested(MICRO, micro.node, micro.key)) if micro else tree
