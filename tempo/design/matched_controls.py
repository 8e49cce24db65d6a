"""Widen the variants of a design until they cost what another variant costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tempo.design.factors import Candidate
from tempo.design.measurements import Width
from tempo.design.study_context import StudyContext, Where, named_variant
from tempo.spec.designs import DesignOptions
from tempo.spec.yaml.value_tree import Mapped, nested, written

TOLERANCE = 0.02
"""Largest relative deviation of a matched cost."""

FIELD = "base_channels"
QUANTITIES = {"parameters": "parameters", "macs": "MACs", "step_time": "ms a step"}


def matched_widths(
    design: DesignOptions, found: Iterable[Candidate], study: StudyContext, where: Where
) -> Iterator[Candidate]:
    """Yield a design's candidates at the widths whose cost matches that of `match_to`.

    `design.match` is not None.
    """
    by = str(design.match)
    candidates = list(found)
    name = design.match_to or study.spec.baseline
    place = study.factors.place(*where, "match")
    if name is None:
        study.problems.add("`match` needs `match_to`, or a baseline to be matched to", place)
        return
    seen = {each.name: each for each in candidates} | study.seen
    target = named_variant(study, name, (*where, "match_to"), seen)
    if target is None or study.problems:
        return
    for each in candidates:
        if each.name == name:
            yield each
            continue
        resolved = study.configs.resolve(each.overlays)
        if resolved is None or resolved.method != "network":
            continue
        width = study.measured.width(resolved.config, target.config, by)
        if study.measured.pricing and width is None:
            continue
        if width is not None and abs(width.off) <= TOLERANCE:
            study.notes.append(_note(each.name, name, by, width))
            yield _widened(each, width)
        else:
            study.problems.add(_refusal(each.name, name, by, width), place)


def _widened(candidate: Candidate, width: Width) -> Candidate:
    """Return the candidate at a width, which becomes part of its name, levels and config."""
    value = written(width.base_channels, candidate.place)
    node = nested(("arch", FIELD), value, candidate.place)
    assert isinstance(node, Mapped)
    label = str(width.base_channels)
    return Candidate(
        name=f"{candidate.name} {FIELD}={label}",
        levels=(*(pair for pair in candidate.levels if pair[0] != FIELD), (FIELD, label)),
        overlays=(*candidate.overlays, node),
        place=candidate.place,
    )


def _note(name: str, target: str, by: str, width: Width) -> str:
    what = QUANTITIES[by]
    return (
        f"{name!r} has {FIELD} {width.base_channels} to match the {what} of {target!r}: "
        f"{_number(width.cost)} against {_number(width.wanted)} ({width.off:+.1%})"
    )


def _refusal(name: str, target: str, by: str, width: Width | None) -> str:
    if width is None and by == "step_time":
        return f"`match: step_time` needs prices of {name!r} and {target!r}: plan with --price"
    if width is None:
        return f"`match: {by}` needs the networks to be counted, which only the commands do"
    return (
        f"no width of {name!r} has the {QUANTITIES[by]} of {target!r} ({_number(width.wanted)}) "
        f"within {TOLERANCE:.0%}: the nearest, {FIELD} {width.base_channels}, "
        f"has {_number(width.cost)} ({width.off:+.1%})"
    )


def _number(value: float) -> str:
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"
