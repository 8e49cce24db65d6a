"""What a design works with: the factors, conditions and configs of one study."""

from __future__ import annotations

from tempo.core.place import Place
from tempo.design.conditions import Conditions
from tempo.design.configs import Configs
from tempo.design.factors import Candidate, Factors, Levels
from tempo.design.measurements import Measured
from tempo.spec.load import LoadedStudy
from tempo.spec.yaml.problems import Problems

Where = tuple[str | int, ...]
"""Path of a design in the spec's tree."""


class Study:
    """A loaded study, ready to be expanded. What breaks a rule gathers in `problems`.

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
        """The candidate of an assignment."""
        overlays = self.factors.overlays(levels)
        return Candidate(name=name, levels=levels, overlays=overlays, place=place)

    def check_beside(self, factor: str, names: tuple[str, ...], place: Place) -> None:
        """Problems of a factor beside the others of its design.

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
