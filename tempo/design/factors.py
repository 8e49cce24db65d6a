"""Turn factor levels and named variants into overlays of the study's tree.

A preset restarts its section and a slot's `kind` drops the options of another kind, so what lies
higher in the tree is applied first, however the changes were listed: presets, then shallow paths,
then deep ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from tempo.core.catalog import unknown
from tempo.core.errors import Place
from tempo.spec.designs import Factor
from tempo.spec.load import LoadedStudy
from tempo.spec.presets import short_form
from tempo.spec.study import RunConfig
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.schema_walk import path_problem
from tempo.spec.yaml.value_tree import (
    Entry,
    Mapped,
    Node,
    Scalar,
    child,
    find,
    nested,
    spread,
    written,
)

Levels = tuple[tuple[str, str], ...]
"""Pairs of factor and level label, in the order the factors were named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant before its config is resolved; `place` is where the spec asks for it."""

    name: str
    levels: Levels
    overlays: tuple[Mapped, ...]
    place: Place


class Factors:
    """Gives overlays of a study's factors and named variants; broken rules go to `problems`."""

    def __init__(self, loaded: LoadedStudy, problems: Problems) -> None:
        self.spec = loaded.spec
        self.tree = loaded.tree
        self.problems = problems
        self._pieces: dict[tuple[str, str], tuple[Piece, ...]] = {
            (name, label): changes
            for name, factor in self.spec.factors.items()
            for label, changes in self._factor(name, factor).items()
        }

    def place(self, *path: str | int) -> Place:
        """Return the place of `path` in the spec: that of the deepest part that is written."""
        node: Node = self.tree
        place = node.place
        for part in path:
            step = child(node, part)
            if step is None:
                break
            key, node = step
            place = node.place if isinstance(node, Scalar) else key
        return place

    def overlays(self, levels: Levels, own: tuple[Piece, ...] = ()) -> tuple[Mapped, ...]:
        """Return the overlays of an assignment, then `own`, in the order to apply."""
        changes = (*chain.from_iterable(self._pieces[pair] for pair in levels), *own)
        return tuple(each.node for each in sorted(changes, key=lambda each: each.depth))

    def paths(self, factor: str) -> set[str]:
        """Return the dotted paths of the fields that a factor sets."""
        path = self.spec.factors[factor].path
        levels = find(self.tree, "factors", factor, "levels")
        if path is not None or not isinstance(levels, Mapped):
            return {path} if path is not None else set()
        several = [each.node for each in levels.entries.values()]
        return {key for each in several if isinstance(each, Mapped) for key in each.entries}

    def labels(self, factor: str, place: Place) -> tuple[str, ...]:
        """Return a factor's levels in use; without any, add a problem at `place`."""
        if factor not in self.spec.factors:
            self.problems.add(unknown("factor", factor, self.spec.factors), place)
            return ()
        if self.spec.factors[factor].range is not None:
            message = f"factor {factor!r} has a range, not levels; only `sobol` draws from a range"
            self.problems.add(message, place)
        return self.spec.factors[factor].labels

    def draw(self, factor: str, share: float, place: Place) -> tuple[str, str]:
        """Return a factor's level at a share in [0, 1) of its range, or of its sorted levels."""
        known = self.spec.factors[factor]
        if known.range is None:
            return factor, sorted(known.labels)[int(share * len(known.labels))]
        return self.at(factor, known.range.at(share), place)

    def at(self, factor: str, value: float, place: Place) -> tuple[str, str]:
        """Return the level of a factor with a range at one of its values."""
        label = f"{value:g}"
        path = str(self.spec.factors[factor].path)
        self._pieces[factor, label] = piece(path, written(value, place), place)
        return factor, label

    def has(self, factor: str, label: str, place: Place) -> bool:
        """Return whether a factor has a level; if not, add a problem at `place`."""
        if factor not in self.spec.factors:
            self.problems.add(unknown("factor", factor, self.spec.factors), place)
            return False
        known = self.spec.factors[factor].levels
        if label not in known:
            self.problems.add(unknown(f"level of {factor}:", label, known), place)
        return label in known

    def variant(self, name: str, place: Place) -> Candidate | None:
        """Return a named variant; None, with a problem at `place`, for an unknown name."""
        if name not in self.spec.variants:
            self.problems.add(unknown("variant", name, self.spec.variants), place)
            return None
        variant = self.spec.variants[name]
        chosen = [
            (factor, label)
            for factor, label in variant.levels.items()
            if self.has(factor, label, self.place("variants", name, "levels", factor))
        ]
        direct = find(self.tree, "variants", name, "set")
        changes: tuple[Piece, ...] = ()
        if isinstance(direct, Mapped) and self._all_known(direct):
            changes = own(direct)
        levels = tuple(chosen)
        return Candidate(
            name=name,
            levels=levels,
            overlays=self.overlays(levels, changes),
            place=self.place("variants", name),
        )

    def _factor(self, name: str, factor: Factor) -> Mapping[str, tuple[Piece, ...]]:
        """Return the changes of each level."""
        place = self.place("factors", name, "path")
        known = factor.path is None or self._known(factor.path, place)
        levels = find(self.tree, "factors", name, "levels")
        if not isinstance(levels, Mapped) or not known:
            return {}
        for index, label in enumerate(factor.only):
            self.has(name, label, self.place("factors", name, "only", index))
        if factor.path is not None:
            path = factor.path
            return {label: piece(path, e.node, place) for label, e in levels.entries.items()}
        return {label: self._several(name, label, e.node) for label, e in levels.entries.items()}

    def _several(self, name: str, label: str, node: Node) -> tuple[Piece, ...]:
        if isinstance(node, Mapped):
            return pieces(node) if self._all_known(node) else ()
        message = f"factor {name!r} has no `path`, so its level {label!r} must map dotted paths"
        self.problems.add(f"{message} to values", node.place)
        return ()

    def _all_known(self, node: Mapped) -> bool:
        known = [self._known(path, entry.key) for path, entry in node.entries.items()]
        return all(known)

    def _known(self, path: str, place: Place) -> bool:
        """Return whether a run has a field at a path; if not, add a problem at `place`."""
        problem = path_problem(RunConfig, path, {"arch": ["preset"]})
        if problem:
            self.problems.add(problem, place)
        return not problem


LAST = 1_000
"""Depth of a named variant's own `set`, which overrides all levels."""


class Piece(NamedTuple):
    """One change of the tree. Pieces of less depth are applied first."""

    depth: int
    node: Mapped


def piece(path: str, value: Node, place: Place) -> tuple[Piece, ...]:
    """Return the change to `value` at a dotted path; a preset in it becomes a piece of its own."""
    preset, rest = _split(short_form(nested(path.split("."), value, place)))
    depth = path.count(".") + 1
    return (*preset, *((Piece(depth, rest),) if rest.entries else ()))


def pieces(node: Mapped) -> tuple[Piece, ...]:
    """Return the changes of a mapping from dotted paths to values."""
    return tuple(
        each for path, (place, value) in node.entries.items() for each in piece(path, value, place)
    )


def own(node: Mapped) -> tuple[Piece, ...]:
    """Return the changes of a variant's `set`, which win over those of its levels."""
    preset, rest = _split(short_form(spread(node)))
    return (*preset, Piece(LAST, rest))


def _split(node: Mapped) -> tuple[tuple[Piece, ...], Mapped]:
    """Separate a change's architecture preset from the rest of the change."""
    arch = node.entries.get("arch")
    if arch is None or not isinstance(arch.node, Mapped) or "preset" not in arch.node.entries:
        return (), node
    name = Mapped({"preset": arch.node.entries["preset"]}, arch.node.place)
    preset = Piece(0, Mapped({"arch": Entry(arch.key, name)}, node.place))
    rest = arch.node.without("preset")
    if not rest.entries:
        return (preset,), node.without("arch")
    return (preset,), node.with_entry("arch", Entry(arch.key, rest))
