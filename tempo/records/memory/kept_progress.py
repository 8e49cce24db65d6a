"""Write how far a run is as JSON, and read it back: what a status needs of a run that ended."""

from __future__ import annotations

import json
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from tempo.core.records import shallow
from tempo.records.events import Finished, decode, encode
from tempo.records.memory.kept_curves import filled
from tempo.records.progress import LostAttempt, Progress


class KeptCurve(MutableMapping[int, Mapping[str, float]]):
    """The metrics of each validation by step, unpacked when one of them is asked for.

    `columns` are packed numbers, one a step; `gaps` are the places where a metric has no value.
    """

    def __init__(
        self, steps: Sequence[int], columns: Mapping[str, str], gaps: Mapping[str, Sequence[int]]
    ) -> None:
        self._place: dict[int, int] = dict(zip(steps, range(len(steps)), strict=True))
        self._packed, self._gaps = columns, gaps
        self._added: dict[int, Mapping[str, float]] = {}

    @cached_property
    def _columns(self) -> Mapping[str, array[float]]:
        return {name: _unpacked("d", text) for name, text in self._packed.items()}

    def __getitem__(self, step: int) -> Mapping[str, float]:
        place = self._place[step]
        if step in self._added:
            return self._added[step]
        return {
            name: column[place]
            for name, column in self._columns.items()
            if place not in self._gaps.get(name, ())
        }

    def __setitem__(self, step: int, values: Mapping[str, float]) -> None:
        self._place.setdefault(step, -1)
        self._added[step] = values

    def __delitem__(self, step: int) -> None:
        del self._place[step]
        self._added.pop(step, None)

    def __iter__(self) -> Iterator[int]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, step: object) -> bool:
        return step in self._place


def to_bytes(progress: Progress, offset: int) -> bytes:
    """Return the progress of a run up to byte `offset` of its events, its curve in columns."""
    rows = list(progress.curve.values())
    names = dict.fromkeys(name for values in rows for name in values)
    columns = {name: [values.get(name) for values in rows] for name in names}
    value = shallow(progress) | {
        "offset": offset,
        "environment": encode(progress.environment),
        "environments": encode(progress.environments),
        "finish": progress.finish and asdict(progress.finish),
        "lost": [asdict(each) for each in progress.lost],
        "curve": [
            _packed("q", list(progress.curve)),
            {name: _packed("d", filled(column)) for name, column in columns.items()},
            {name: _gaps(column) for name, column in columns.items() if None in column},
        ],
    }
    return json.dumps(value, separators=(",", ":")).encode()


def _gaps(column: Sequence[float | None]) -> list[int]:
    return [place for place, value in enumerate(column) if value is None]


def _packed(kind: str, values: Sequence[float]) -> str:
    numbers: array[Any] = array(kind, values)
    return b64encode(numbers.tobytes()).decode()


def _unpacked(kind: str, text: str) -> array[Any]:
    numbers: array[Any] = array(kind)
    numbers.frombytes(b64decode(text))
    return numbers


def from_bytes(content: bytes) -> tuple[Progress, int]:
    """Return what `to_bytes` wrote.

    Raises:
        KeyError, TypeError, ValueError: when it is something else.
    """
    value = dict(json.loads(content))
    offset, (steps, columns, gaps) = value.pop("offset"), value.pop("curve")
    finish, lost = value.pop("finish"), value.pop("lost")
    progress = Progress(
        **value | {name: decode(value[name]) for name in ("environment", "environments")},
        finish=Finished(**finish) if finish else None,
        lost=tuple(LostAttempt(**each) for each in lost),
        curve=KeptCurve(_unpacked("q", steps), columns, gaps),
    )
    return progress, offset
