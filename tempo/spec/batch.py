"""Expand the long form of a recipe's batch: `batch: {global: 16, micro: auto}`.

The global batch is what an optimiser step sees and part of a run's identity; the micro-batch is how
much of it a device takes at a time, which changes no result. So the long form stands for
`recipe.batch` and `runtime.micro_batch`, each of which can be written by itself as well.
"""

from __future__ import annotations

from tempo.core.catalog import unknown
from tempo.core.errors import SpecError
from tempo.spec.yaml.overlay import merge
from tempo.spec.yaml.value_tree import Entry, Mapped, Node, nested

KEYS = ("global", "micro")


def short_form(tree: Mapped) -> Mapped:
    """Return the tree with a long batch written as `recipe.batch` and `runtime.micro_batch`.

    Raises:
        SpecError: when the long form has a key of its own.
    """
    recipe = tree.get("recipe")
    batch = recipe.get("batch") if isinstance(recipe, Mapped) else None
    if not isinstance(recipe, Mapped) or not isinstance(batch, Mapped):
        return tree
    for key, (place, _) in batch.entries.items():
        if key not in KEYS:
            raise SpecError(unknown("part of a batch", key, KEYS), place)
    return _with_micro(tree.with_entry("recipe", _with_global(tree, recipe, batch)), batch)


def _with_global(tree: Mapped, recipe: Mapped, batch: Mapped) -> Entry:
    size = batch.entries.get("global")
    left = recipe.without("batch")
    return Entry(tree.entries["recipe"].key, left.with_entry("batch", size) if size else left)


def _with_micro(tree: Mapped, batch: Mapped) -> Mapped:
    micro = batch.entries.get("micro")
    if micro is None:
        return tree
    done: Node = merge(tree, nested(["runtime", "micro_batch"], micro.node, micro.key))
    assert isinstance(done, Mapped)
    return done
