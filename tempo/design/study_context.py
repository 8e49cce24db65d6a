"""Hold what a design works with: the factors, conditions and configs of one study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tempo.core.catalog import unknown
from tempo.core.errors import Place
from tempo.design.configs import Configs, Resolved
from tempo.design.factors import Candidate, Factors, Levels
from tempo.design.measurements import Measured
from tempo.spec.designs import When
from tempo.spec.load import LoadedStudy
from tempo.spec.presets import PRESETS
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.value_tree import change

Where = tuple[str | int, ...]
"""Path of a design in the spec's tree."""


class StudyContext:
    """A loaded study, ready to be expanded; broken rules are added to `problems`.

    `seen` are the candidates of the designs so far, by name; `notes` say what was decided by
    measurement.
    """

    def __init__(self, loaded: LoadedStudy, measured: Measured) -> None:
        self.loaded = loaded
        self.measured = measured
        self.spec = loaded.spec
        self.problems = Problems()
        self.factors = Factors(loaded, self.problems)
        self.conditions = Conditions(self.factors)
        self.configs = Configs(loaded.tree, self.problems)
        self.aliases: list[tuple[str, ...]] = []
        self.notes: list[str] = []
        self.seen: dict[str, Candidate] = {}

    def candidate(self, name: str, levels: Levels, place: Place) -> Candidate:
        """Return the candidate of an assignment."""
        overlays = self.factors.overlays(levels)
        return Candidate(name=name, levels=levels, overlays=overlays, place=place)

    def add_problem(self, message: str, *path: str | int) -> None:
        """Add a broken rule at the place of `path` in the spec."""
        self.problems.add(message, self.factors.place(*path))

    def check_beside(self, factor: str, names: tuple[str, ...], place: Place) -> None:
        """Add the problems of a factor beside the others of its design.

        Two factors must not set the same field, and a factor that applies under levels of another
        needs that other one.
        """
        if factor not in self.spec.factors:
            return
        for other in names[: names.index(factor)]:
            both = self.factors.paths(factor) & self.factors.paths(other)
            if both:
                message = f"factors {other!r} and {factor!r} both set {sorted(both)[0]}"
                self.problems.add(message, place)
        known = self.spec.factors[factor]
        needed = {name for when in (known.when, *known.when_level.values()) for name in when}
        for name in sorted(needed - set(names)):
            self.problems.add(
                f"factor {factor!r} applies under levels of {name!r}, which this design leaves out",
                place,
            )


class Conditions:
    """Applies a study's `when:`, `when_level:` and `exclude:`; unknown names are problems."""

    def __init__(self, factors: Factors) -> None:
        self.factors = factors
        for name, factor in factors.spec.factors.items():
            self._check(factor.when, "factors", name, "when")
            for label, when in factor.when_level.items():
                place = factors.place("factors", name, "when_level", label)
                factors.has(name, label, place)
                self._check(when, "factors", name, "when_level", label)
        for index, rule in enumerate(factors.spec.exclude):
            self._check(rule.levels, "exclude", index, "levels")

    def applied(self, levels: Levels) -> Levels | None:
        """Return the assignment without the factors that do not apply under it.

        None when a level does not apply while another level of its factor does: the combination
        is covered by that other one.
        """
        kept = dict(levels)
        while True:
            for factor, label in kept.items():
                if self._applies(factor, label, kept):
                    continue
                others = self.factors.spec.factors[factor].labels
                if any(self._applies(factor, other, kept) for other in others):
                    return None
                del kept[factor]
                break
            else:
                return tuple(kept.items())

    def excluded(self, levels: Levels) -> str | None:
        """Return the reason why an assignment is ruled out, or None."""
        kept = dict(levels)
        for rule in self.factors.spec.exclude:
            if _holds(rule.levels, kept):
                return rule.reason
        return None

    def _applies(self, factor: str, label: str, levels: Mapping[str, str]) -> bool:
        known = self.factors.spec.factors[factor]
        return _holds(known.when, levels) and _holds(known.when_level.get(label, {}), levels)

    def _check(self, when: When, *path: str | int) -> None:
        for factor, labels in when.items():
            for index, label in enumerate(labels):
                self.factors.has(factor, label, self.factors.place(*path, factor, index))
            if path[:2] == ("factors", factor):
                place = self.factors.place(*path, factor)
                self.factors.problems.add("a factor cannot depend on itself", place)


def _holds(when: When, levels: Mapping[str, str]) -> bool:
    return all(levels.get(factor) in labels for factor, labels in when.items())


@dataclass(frozen=True, slots=True)
class NamedVariant:
    """A candidate and its resolved config."""

    candidate: Candidate
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.candidate.name


def named_variant(
    study: StudyContext, name: str, where: Where, seen: Mapping[str, Candidate] | None = None
) -> NamedVariant | None:
    """Resolve a name: a variant of `seen`, a named variant, or a preset in the study's setting.

    None, and a problem at `where`, when nothing is called so or its config breaks a rule.
    """
    place = study.factors.place(*where)
    found: Candidate | None
    if seen and name in seen:
        found = seen[name]
    elif name in study.spec.variants:
        found = study.factors.variant(name, place)
    elif name in PRESETS:
        overlay = change("arch.preset", name, place)
        found = Candidate(name=name, levels=(), overlays=(overlay,), place=place)
    else:
        known = [*(seen or ()), *study.spec.variants, *PRESETS]
        study.problems.add(unknown("variant or preset", name, known), place)
        return None
    resolved: Resolved | None = study.configs.resolve(found.overlays) if found else None
    return NamedVariant(found, resolved.config) if found and resolved else None
