"""Find out where the weights come from that variants start from, and order runs behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tempo.core.catalog import unknown
from tempo.core.errors import Place, SpecError
from tempo.core.records import Parent
from tempo.design.configs import Resolved
from tempo.design.study_context import StudyContext
from tempo.spec.sections.start import sources_of
from tempo.spec.study import run_id

NO_NETWORK = "{name!r} is a method without weights, so nothing can build on it"
TOGETHER = (
    "{name!r} predicts with several networks together (evaluation.select: ensemble), so it has no "
    "one set of weights; choose best, last or average"
)


class Parents:
    """The sources of weights of a study's trained variants.

    A source is a variant of the study, or a run or file that `study.measured` knows. What is
    neither, and a circle of variants, is added to the study's problems.

    Args:
        configs: every variant of the plan by name, references included.
        alias: the kept variant that another name stands for.
        places: where the spec asks for each variant.
    """

    def __init__(
        self,
        study: StudyContext,
        configs: Mapping[str, Resolved],
        alias: Mapping[str, str],
        places: Mapping[str, Place],
    ) -> None:
        self._study, self._configs, self._alias, self._places = study, configs, alias, places
        trained = {name: each for name, each in configs.items() if each.method == "network"}
        self._sources = {name: _sources(each) for name, each in trained.items()}
        self._elsewhere: dict[str, Parent] = {}
        for name, sources in self._sources.items():
            for source in sources:
                self._check(name, source)
        self.order: tuple[str, ...] = () if study.problems else tuple(self._ordered())
        """The trained variants, each behind those that it builds on, else as designed."""

    def variant_of(self, source: str) -> str | None:
        """Return the variant that a source names; None when it names something else."""
        name = self._alias.get(source, source)
        return name if name in self._configs else None

    def parents(self, name: str, seed: int) -> tuple[Parent, ...]:
        """Return where replicate `seed` of a variant takes its weights from."""
        return tuple(self._parent(source, seed) for source in self._sources.get(name, ()))

    def run_id(self, name: str, seed: int | None) -> str:
        """Return the id of a variant's run, in which the ids of its parents count."""
        found = self.parents(name, seed) if seed is not None else ()
        one = self._configs[name]
        return run_id(one.chosen, one.method, seed, {each.source: each.identity for each in found})

    def _parent(self, source: str, seed: int) -> Parent:
        name = self.variant_of(source)
        if name is None:
            return self._elsewhere[source]
        return Parent(source=source, run_id=self.run_id(name, seed))

    def _check(self, name: str, source: str) -> None:
        """Add a problem unless `source` names weights that variant `name` can take."""
        add, place = self._study.problems.add, self._places[name]
        variant = self.variant_of(source)
        if variant is None:
            try:
                found = self._study.measured.weights(source)
            except SpecError as error:
                add(f"variant {name!r}: {error.message}", place)
                return
            if found is None:
                known = [each for each in self._sources if each != name]
                what = "variant, run or file to take weights from:"
                add(f"variant {name!r}: {unknown(what, source, known or ['none'])}", place)
            else:
                self._elsewhere[source] = found
        elif variant not in self._sources:
            add(f"variant {name!r}: {NO_NETWORK.format(name=variant)}", place)
        elif self._configs[variant].config["evaluation"]["select"] == "ensemble":
            add(f"variant {name!r}: {TOGETHER.format(name=variant)}", place)

    def _ordered(self) -> Iterator[str]:
        """Yield variants behind their parents; a circle is a problem."""
        done: dict[str, None] = {}

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                way = " -> ".join((*above[above.index(name) :], name))
                message = f"variants build on each other in a circle: {way}"
                self._study.problems.add(message, self._places[name])
            elif name not in done:
                for source in self._sources[name]:
                    if (parent := self.variant_of(source)) is not None:
                        visit(parent, (*above, name))
                done[name] = None

        for name in self._sources:
            visit(name, ())
            if self._study.problems:
                return
        yield from done


def _sources(resolved: Resolved) -> tuple[str, ...]:
    recipe: Mapping[str, Any] = resolved.chosen["recipe"]
    return sources_of(recipe)
