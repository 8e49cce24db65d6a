"""Factors and named variants as overlays with places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tempo.core.catalog import unknown
from tempo.core.place import Place
from tempo.spec.designs import Factor
from tempo.spec.load import LoadedStudy
from tempo.spec.merge import merge, spread
from tempo.spec.problems import Problems
from tempo.spec.shape import path_problem
from tempo.spec.study import RunConfig
from tempo.spec.tree import Mapped, Node, Scalar, child, find, nested, written

Levels = tuple[tuple[str, str], ...]
"""Pairs of factor and level label, in the order the factors were named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant before its config is worked out. `place` is where the spec asks for it."""

    name: str
    levels: Levels
    overlays: tuple[Mapped, ...]
    place: Place


class Factors:
    """The factors and named variants of a study, as overlays. Problems go to `problems`."""

    def __init__(self, loaded: LoadedStudy, problems: Problems) -> None:
        self.spec = loaded.spec
        self.tree = loaded.tree
        self.problems = problems
        self._overlays: dict[tuple[str, str], Mapped] = {
            (name, label): overlay
            for name, factor in self.spec.factors.items()
            for label, overlay in self._factor(name, factor).items()
        }

    def place(self, *path: str | int) -> Place:
        """Where the spec says what is at `path`: the deepest part of it that is written."""
        node: Node = self.tree
        place = node.place
        for part in path:
            step = child(node, part)
            if step is None:
                break
            key, node = step
            place = node.place if isinstance(node, Scalar) else key
        return place

    def overlays(self, levels: Levels) -> tuple[Mapped, ...]:
        return tuple(self._overlays[pair] for pair in levels)

    def labels(self, factor: str, place: Place) -> tuple[str, ...]:
        """The levels in use of a factor; none, and a problem at `place`, when it has none."""
        if factor not in self.spec.factors:
            self.problems.add(unknown("factor", factor, self.spec.factors), place)
            return ()
        if self.spec.factors[factor].range is not None:
            message = f"factor {factor!r} has a range, not levels; only `sobol` draws from a range"
            self.problems.add(message, place)
        return self.spec.factors[factor].labels

    def draw(self, factor: str, share: float, place: Place) -> tuple[str, str]:
        """The level of a factor at a share in [0, 1) of its levels or range."""
        known = self.spec.factors[factor]
        if known.range is None:
            return factor, known.labels[int(share * len(known.labels))]
        value = known.range.at(share)
        label = f"{value:g}"
        node = nested(str(known.path).split("."), written(value, place), place)
        assert isinstance(node, Mapped)
        self._overlays[factor, label] = node
        return factor, label

    def has(self, factor: str, label: str, place: Place) -> bool:
        """Whether a factor has a level; a problem at `place` when it has not."""
        if factor not in self.spec.factors:
            self.problems.add(unknown("factor", factor, self.spec.factors), place)
            return False
        known = self.spec.factors[factor].levels
        if label not in known:
            self.problems.add(unknown(f"level of {factor}:", label, known), place)
        return label in known

    def variant(self, name: str, place: Place) -> Candidate | None:
        """A named variant; None, and a problem at `place`, when there is none of that name."""
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
        own = (self._spread(direct),) if isinstance(direct, Mapped) else ()
        levels = tuple(chosen)
        return Candidate(
            name=name,
            levels=levels,
            overlays=self.overlays(levels) + own,
            place=self.place("variants", name),
        )

    def _factor(self, name: str, factor: Factor) -> Mapping[str, Mapped]:
        levels = find(self.tree, "factors", name, "levels")
        if factor.range is not None and factor.path is not None:
            self._check(factor.path, self.place("factors", name, "path"))
        if not isinstance(levels, Mapped):
            return {}
        for index, label in enumerate(factor.only):
            self.has(name, label, self.place("factors", name, "only", index))
        if factor.path is not None:
            return self._at_path(name, factor.path, levels)
        return {
            label: self._several(name, label, entry.node) for label, entry in levels.entries.items()
        }

    def _at_path(self, name: str, path: str, levels: Mapped) -> dict[str, Mapped]:
        place = self.place("factors", name, "path")
        self._check(path, place)
        out = {}
        for label, entry in levels.entries.items():
            node = nested(path.split("."), entry.node, place)
            assert isinstance(node, Mapped)
            out[label] = node
        return out

    def _several(self, name: str, label: str, node: Node) -> Mapped:
        if not isinstance(node, Mapped):
            self.problems.add(
                f"factor {name!r} has no `path`, so its level {label!r} must map dotted paths "
                "to values",
                node.place,
            )
            return Mapped({}, node.place)
        return self._spread(node)

    def _spread(self, node: Mapped) -> Mapped:
        for key, entry in node.entries.items():
            self._check(key, entry.key)
        done = spread(node, merge)
        assert isinstance(done, Mapped)
        return done

    def _check(self, path: str, place: Place) -> None:
        problem = path_problem(RunConfig, path, {"arch": ["preset"]})
        if problem:
            self.problems.add(problem, place)
