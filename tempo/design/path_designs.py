"""Generate the designs between two variants: leave-one-out, add-one-in and ladders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from tempo.core.catalog import unknown
from tempo.core.config_diff import at_path
from tempo.core.errors import Place
from tempo.design.configs import Resolved
from tempo.design.factors import Candidate
from tempo.design.study_context import NamedVariant, StudyContext, Where, named_variant
from tempo.spec import designs as spec
from tempo.spec.sections.start import sources_of
from tempo.spec.study import RESULT_SECTIONS, RunConfig, run_id
from tempo.spec.yaml.schema_walk import path_problem
from tempo.spec.yaml.value_tree import change

Parts = dict[str, tuple[str, ...]]
"""Paths of the fields that change together, by the name of the part."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Two variants and the parts in which they differ."""

    start: NamedVariant
    end: NamedVariant
    parts: Parts
    place: Place

    def at(
        self, name: str, base: NamedVariant, other: NamedVariant, changed: tuple[str, ...]
    ) -> Candidate:
        """Return `base` with the `changed` parts taken from `other`."""
        overlays = [
            change(path, at_path(other.config, path), self.place)
            for part in changed
            for path in self.parts[part]
        ]
        return Candidate(
            name=name,
            levels=tuple((part, (base, other)[part in changed].name) for part in self.parts),
            overlays=(*base.candidate.overlays, *overlays),
            place=self.place,
        )

    def __str__(self) -> str:
        return f"{self.start.name} to {self.end.name}"

    def plus(self, parts: tuple[str, ...]) -> Candidate:
        """Return the start with `parts` of the end: `V2 + blocks + se`."""
        return self.at(" + ".join((self.start.name, *parts)), self.start, self.end, parts)

    def ends(self) -> Iterator[Candidate]:
        yield self.plus(())
        yield self.at(self.end.name, self.end, self.start, ())


def leave_one_out(
    design: spec.LeaveOneOut, study: StudyContext, where: Where
) -> Iterator[Candidate]:
    """Yield both ends, then the end without one part at a time: `V3 - se`."""
    pair = transition_between(design, study, where)
    if pair is not None:
        yield from pair.ends()
        for part in pair.parts:
            yield pair.at(f"{pair.end.name} - {part}", pair.end, pair.start, (part,))


def add_one_in(design: spec.AddOneIn, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Yield both ends, then the start with one part at a time: `V2 + se`."""
    pair = transition_between(design, study, where)
    if pair is not None:
        yield from pair.ends()
        for part in pair.parts:
            yield pair.plus((part,))


def ladder(design: spec.Ladder, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Yield both ends and, between, the parts added in order: `V2 + blocks + se`."""
    pair = transition_between(design, study, where)
    if pair is None:
        return
    if design.order == "greedy":
        yield from _greedy_ladder(pair, study)
        return
    for index, part in enumerate(design.order):
        if part not in pair.parts:
            what = f"part between {pair.start.name} and {pair.end.name}:"
            study.add_problem(unknown(what, part, pair.parts), *where, "order", index)
        elif part in design.order[:index]:
            study.add_problem(f"part {part!r} is named twice", *where, "order", index)
    missing = [part for part in pair.parts if part not in design.order]
    if missing:
        study.add_problem(f"the order leaves out {', '.join(missing)}", *where, "order")
    if study.problems:
        return
    yield from pair.ends()
    for count in range(1, len(design.order)):
        yield pair.plus(design.order[:count])


def transition_between(
    design: spec.Between, study: StudyContext, where: Where
) -> Transition | None:
    """Return a design's ends and their differing parts; None, with problems, if none differ."""
    start = named_variant(study, design.start, (*where, "start"))
    end = named_variant(study, design.end, (*where, "end"))
    if start is None or end is None:
        return None
    parts = _parts(design, study, where, _differences(start.config, end.config))
    if not parts and not study.problems:
        study.add_problem(f"{start.name} and {end.name} do not differ", *where)
    return None if study.problems else Transition(start, end, parts, study.factors.place(*where))


def _differences(start: Mapping[str, Any], end: Mapping[str, Any]) -> list[str]:
    """Return the paths of result-relevant fields that differ; a slot counts as one."""
    out = []
    for section in RESULT_SECTIONS[True]:
        one, other = start[section], end[section]
        if one == other:
            continue
        if isinstance(one, Mapping) and "kind" not in one:
            out += [f"{section}.{field}" for field in one if one[field] != other[field]]
        else:
            out.append(section)
    return out


def _parts(design: spec.Between, study: StudyContext, where: Where, differing: list[str]) -> Parts:
    """Group the differing fields into parts as the design asks; others are parts of their own."""
    out: Parts = {}
    left = list(differing)
    for name, paths in design.parts.items():
        for index, path in enumerate(paths):
            if problem := path_problem(RunConfig, path, {}):
                study.add_problem(problem, *where, "parts", name, index)
        taken = [each for each in left if any(f"{each}.".startswith(f"{p}.") for p in paths)]
        left = [each for each in left if each not in taken]
        if taken:
            out[name] = tuple(taken)
    for path in left:
        short = path.rpartition(".")[2]
        out[path if short in out else short] = (path,)
    return out


def _greedy_ladder(pair: Transition, study: StudyContext) -> Iterator[Candidate]:
    """Yield both ends, then rung by rung every part that could come next, as far as measured.

    A rung's candidates are planned once those of the rung before have results under every seed;
    the one of the highest mean validation PSNR is the rung, the first of them in a tie.
    """
    yield from pair.ends()
    climbed: tuple[str, ...] = ()
    gains: list[str] = []
    below = _quality(study, pair.plus(()))
    for rung in range(1, len(pair.parts)):
        tried = {e: pair.plus((*climbed, e)) for e in pair.parts if e not in climbed}
        yield from tried.values()
        found = {part: _quality(study, each) for part, each in tried.items()}
        measured = {part: value for part, value in found.items() if value is not None}
        if below is None or len(measured) < len(found):
            study.notes.append(_so_far(pair, gains, rung, len(found), len(found) - len(measured)))
            return
        best = max(measured, key=measured.__getitem__)
        gains.append(f"{best} ({measured[best] - below:+.3f} dB)")
        climbed, below = (*climbed, best), measured[best]
    last = next(part for part in pair.parts if part not in climbed)
    study.notes.append(f"greedy ladder from {pair}: {', '.join([*gains, last])}")


def _quality(study: StudyContext, candidate: Candidate) -> float | None:
    """Return the mean validation PSNR in dB over the seeds; None if one is missing.

    Of adaptive seeds, those that every variant gets.
    """
    resolved = study.configs.resolve(candidate.overlays)
    if resolved is None:
        return None
    stages = study.spec.stages
    sure = study.spec.seeds if stages is None else study.spec.seeds[: stages.first]
    parents = _parents(study, resolved, candidate)
    ids = [run_id(resolved.chosen, resolved.method, seed, parents) for seed in sure]
    values = [study.measured.quality(each) for each in ids]
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _parents(study: StudyContext, resolved: Resolved, candidate: Candidate) -> dict[str, str]:
    """Return what counts for each source of weights of a candidate; other variants are none yet."""
    found = {}
    for source in sources_of(resolved.chosen["recipe"]):
        parent = study.measured.weights(source)
        if parent is None:
            study.problems.add(
                f"a greedy ladder takes weights from runs and files, not from variants of the same "
                f"study, which it is still choosing: {source!r}",
                candidate.place,
            )
        found[source] = parent.identity if parent is not None else source
    return found


def _so_far(pair: Transition, gains: list[str], rung: int, tried: int, waiting: int) -> str:
    after = f" after {', '.join(gains)}" if gains else ""
    return (
        f"greedy ladder from {pair}: rung {rung} of {len(pair.parts)} "
        f"is planned{after}; {waiting} of its {tried} candidates have no result under every seed "
        "yet. The same command goes on with the next rung once they have"
    )
