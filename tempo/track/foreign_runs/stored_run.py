"""Hold a run that another program logged, whatever it was logged to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SEEDED = re.compile(r"^(?P<name>.*?)[\s_.-]*(?:s|seed)[\s_=-]?(?P<seed>\d{1,18})$")
"""A name with a seed behind it: `a_s0`, `a seed=0`."""


def name_and_seed(text: str) -> tuple[str, str | None]:
    """Return a name without the seed behind it, and the seed; None where there is none."""
    matched = SEEDED.match(text)
    return (matched["name"], matched["seed"]) if matched and matched["name"] else (text, None)


def told_apart(params: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the params of a run; where none were logged, its name without the seed is one.

    Runs with equal params are replicates, which runs that logged no params need not be.
    """
    return dict(params) or {"name": name_and_seed(name)[0]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRows:
    """Values by clip: `values[metric]` runs parallel to `clips` and `sources`, NaN where missing.

    What is known of a clip itself, such as its motion, is in `properties`.
    """

    clips: tuple[str, ...]
    sources: tuple[str, ...]
    values: Mapping[str, Sequence[float]]
    properties: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as a tracking store or a file holds it. Times are Unix seconds, `ended` None while the
    run goes on.

    `status` is FINISHED, FAILED, KILLED or anything else for one that goes on. `history`: metric ->
    (step, time, value) in order of step and time. `clips`: the final values by clip, if known.
    """

    id: str
    name: str
    experiment: str
    status: str
    started: float
    ended: float | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    history: Mapping[str, Sequence[tuple[int, float, float]]]
    clips: ClipRows | None = None
