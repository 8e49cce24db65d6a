"""A ladder whose order is found on the way: each rung is the part that gained the most."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from tempo.design.factors import Candidate
from tempo.design.path_designs import Way, way_between
from tempo.design.study_context import Study, Where
from tempo.spec.designs import Ladder
from tempo.spec.study import run_id


def greedy_ladder(design: Ladder, study: Study, where: Where) -> Iterator[Candidate]:
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


def _quality(study: Study, candidate: Candidate) -> float | None:
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
