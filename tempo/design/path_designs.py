"""Designs between two ends: what differs, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from tempo.core.catalog import unknown
from tempo.core.place import Place
from tempo.design.factors import Candidate
from tempo.design.study_context import End, StudyContext, Where, end_of
from tempo.spec import designs as spec
from tempo.spec.designs import Ladder
from tempo.spec.study import RESULT_SECTIONS, RunConfig, run_id
from tempo.spec.yaml.schema_walk import path_problem
from tempo.spec.yaml.value_tree import Mapped, nested, written

Parts = dict[str, tuple[str, ...]]
"""Paths of the fields that change together, by the name of the part."""


@dataclass(frozen=True, slots=True)
class Way:
    """Two ends and the parts in which they differ."""

    start: End
    end: End
    parts: Parts
    place: Place

    def at(self, name: str, base: End, other: End, changed: tuple[str, ...]) -> Candidate:
        """`base` with the `changed` parts taken from `other`."""
        overlays = [
            nested(path.split("."), written(_value(other.config, path), self.place), self.place)
            for part in changed
            for path in self.parts[part]
        ]
        return Candidate(
            name=name,
            levels=tuple((part, (base, other)[part in changed].name) for part in self.parts),
            overlays=base.candidate.overlays + tuple(e for e in overlays if isinstance(e, Mapped)),
            place=self.place,
        )

    def ends(self) -> Iterator[Candidate]:
        yield self.at(self.start.name, self.start, self.end, ())
        yield self.at(self.end.name, self.end, self.start, ())


def leave_one_out(
    design: spec.LeaveOneOut, study: StudyContext, where: Where
) -> Iterator[Candidate]:
    """Both ends, then the end without one part at a time: `V3 - se`."""
    way = way_between(design, study, where)
    if way is not None:
        yield from way.ends()
        for part in way.parts:
            yield way.at(f"{way.end.name} - {part}", way.end, way.start, (part,))


def add_one_in(design: spec.AddOneIn, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Both ends, then the start with one part at a time: `V2 + se`."""
    way = way_between(design, study, where)
    if way is not None:
        yield from way.ends()
        for part in way.parts:
            yield way.at(f"{way.start.name} + {part}", way.start, way.end, (part,))


def ladder(design: spec.Ladder, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Both ends and, between, the parts added in order: `V2 + blocks + se`."""
    way = way_between(design, study, where)
    if way is None or design.order == "greedy":
        return
    for index, part in enumerate(design.order):
        at = study.factors.place(*where, "order", index)
        if part not in way.parts:
            what = f"part between {way.start.name} and {way.end.name}:"
            study.problems.add(unknown(what, part, way.parts), at)
        elif part in design.order[:index]:
            study.problems.add(f"part {part!r} is named twice", at)
    missing = [part for part in way.parts if part not in design.order]
    if missing:
        at = study.factors.place(*where, "order")
        study.problems.add(f"the order leaves out {', '.join(missing)}", at)
    if study.problems:
        return
    yield from way.ends()
    for count in range(1, len(design.order)):
        climbed = design.order[:count]
        yield way.at(" + ".join((way.start.name, *climbed)), way.start, way.end, climbed)


def way_between(design: spec.Between, study: StudyContext, where: Where) -> Way | None:
    """The two ends of a design and what lies between; None, with problems, when there is none."""
    ends = [end_of(study, getattr(design, name), (*where, name)) for name in ("start", "end")]
    start, end = ends
    if start is None or end is None:
        return None
    parts = _parts(design, study, where, _differences(start.config, end.config))
    place = study.factors.place(*where)
    if not parts and not study.problems:
        study.problems.add(f"{start.name} and {end.name} do not differ", place)
    return None if study.problems else Way(start, end, parts, place)


def _value(config: Mapping[str, Any], path: str) -> Any:
    section, _, field = path.partition(".")
    return config[section][field] if field else config[section]


def _differences(start: Mapping[str, Any], end: Mapping[str, Any]) -> list[str]:
    """Paths of the result-relevant fields that differ; a slot such as `data` counts as one."""
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
    """The differing fields by part: as grouped by the design, the others alone."""
    out: Parts = {}
    left = list(differing)
    for name, paths in design.parts.items():
        for index, path in enumerate(paths):
            problem = path_problem(RunConfig, path, {})
            if problem:
                at = study.factors.place(*where, "parts", name, index)
                study.problems.add(problem, at)
        taken = [each for each in left if any(f"{each}.".startswith(f"{p}.") for p in paths)]
        left = [each for each in left if each not in taken]
        if taken:
            out[name] = tuple(taken)
    for path in left:
        short = path.rpartition(".")[2]
        out[path if short in out else short] = (path,)
    return out


def greedy_ladder(design: Ladder, study: StudyContext, where: Where) -> Iterator[Candidate]:
    """Both ends, then rung by rung every part that could come next, as far as is measured.

    A rung's candidates are planned once those of the rung before have results under every seed;
    the one of the highest mean validation PSNR is the rung, the first of them in a tie.
    """
    way = way_between(design, study, where)
    if way is None:
        return
    yield from way.ends()
    climbed: tuple[str, ...] = ()
    gains: list[str] = []
    below = _quality(study, way.at(way.start.name, way.start, way.end, ()))
    for rung in range(1, len(way.parts)):
        tried = dict(_candidates(way, climbed))
        yield from tried.values()
        found = {part: _quality(study, each) for part, each in tried.items()}
        measured = {part: value for part, value in found.items() if value is not None}
        if below is None or len(measured) < len(found):
            study.notes.append(_so_far(way, gains, rung, len(found), len(found) - len(measured)))
            return
        best = max(measured, key=measured.__getitem__)
        gains.append(f"{best} ({measured[best] - below:+.3f} dB)")
        climbed, below = (*climbed, best), measured[best]
    last = next(part for part in way.parts if part not in climbed)
    order = ", ".join([*gains, last])
    study.notes.append(f"greedy ladder from {way.start.name} to {way.end.name}: {order}")


def _candidates(way: Way, climbed: tuple[str, ...]) -> Iterator[tuple[str, Candidate]]:
    for part in way.parts:
        if part in climbed:
            continue
        parts = (*climbed, part)
        yield part, way.at(" + ".join((way.start.name, *parts)), way.start, way.end, parts)


def _quality(study: StudyContext, candidate: Candidate) -> float | None:
    """The mean validation PSNR over the seeds; None when one is missing."""
    resolved = study.configs.resolve(candidate.overlays)
    if resolved is None:
        return None
    ids = [run_id(resolved.chosen, resolved.method, seed) for seed in study.spec.seeds]
    values = [study.measured.quality(each) for each in ids]
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _so_far(way: Way, gains: list[str], rung: int, tried: int, waiting: int) -> str:
    after = f" after {', '.join(gains)}" if gains else ""
    return (
        f"greedy ladder from {way.start.name} to {way.end.name}: rung {rung} of {len(way.parts)} "
        f"is planned{after}; {waiting} of its {tried} candidates have no result under every seed "
        "yet. The same command goes on with the next rung once they have"
    )
