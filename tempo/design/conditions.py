"""Which levels apply under which, and which combinations are ruled out."""

from __future__ import annotations

from collections.abc import Mapping

from tempo.design.factors import Factors, Levels
from tempo.spec.designs import When


class Conditions:
    """The `when:`, `when_level:` and `exclude:` of a study. Unknown names are problems."""

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
        """The assignment without factors that do not apply under it.

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
        """The reason why an assignment is ruled out, or None."""
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
