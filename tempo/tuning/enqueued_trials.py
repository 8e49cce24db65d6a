"""Read the first trials that a spec enqueues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tempo.core.catalog import unknown
from tempo.core.errors import Place, SpecError
from tempo.core.identity import short_hash
from tempo.tuning.space import Params, Point, RejectedError, Space


def enqueued(space: Space) -> Sequence[tuple[str, Point]]:
    """Return the enqueued trials by name.

    Raises:
        SpecError: an entry names no variant, no factor or no level.
    """
    out: list[tuple[str, Point]] = []
    for index, entry in enumerate(space.search.enqueue):
        place = space.place_of("search", "enqueue", index)
        if isinstance(entry, str):
            out.append((entry, space.variant(entry, place)))
            continue
        params = {**space.own, **_checked(space, entry, place)}
        kept: dict[str, str | float] = {}
        for parameter in space.parameters:
            if parameter.applies(kept):
                if parameter.name not in params:
                    raise SpecError(
                        f"the study's own {parameter.name} is no point of the space; name it here",
                        place,
                    )
                kept[parameter.name] = params[parameter.name]
        try:
            out.append((f"first-{index}", space.point(kept)))
        except RejectedError as error:
            raise SpecError(str(error), place) from error
    return out


def _checked(space: Space, entry: Mapping[str, str | float], place: Place) -> Params:
    known = {parameter.name: parameter for parameter in space.parameters}
    out: dict[str, str | float] = {}
    for name, value in entry.items():
        if name not in known:
            raise SpecError(unknown("factor of the space", name, known), place)
        parameter = known[name]
        if parameter.range is not None:
            if not parameter.contains(value):
                low, high = parameter.range.low, parameter.range.high
                raise SpecError(f"{name} ranges from {low:g} to {high:g}, not {value!r}", place)
            out[name] = value
            continue
        label = value if isinstance(value, str) else f"{value:g}"
        if label not in parameter.levels:
            raise SpecError(unknown(f"level of {name}:", label, parameter.levels), place)
        out[name] = label
    return out


def named(space: Space) -> Iterator[tuple[str, Point]]:
    """Yield the enqueued points under names that do not depend on their order."""
    for (name, point), entry in zip(enqueued(space), space.search.enqueue, strict=True):
        yield (name if isinstance(entry, str) else f"first-{short_hash(entry, 4)}"), point
