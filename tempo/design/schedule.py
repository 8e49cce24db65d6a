"""Variants x seeds to runs, in the order to start them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tempo.core.records import PlannedRun
from tempo.spec.study import run_id


class Work(NamedTuple):
    """What a variant's runs need: its name, method, and what counts for the identity."""

    name: str
    method: str
    chosen: Mapping[str, Any]


def runs(variants: Sequence[Work], seeds: Sequence[int]) -> Iterator[PlannedRun]:
    """References first, then replicate by replicate, so that an early stop leaves whole blocks.

    Variants that agree in all that can change a result get equal run ids.
    """
    references = [each for each in variants if each.method != "network"]
    trained = [each for each in variants if each.method == "network"]
    for each in references:
        yield PlannedRun(run_id=_id(each, None), variant=each.name, seed=None)
    for seed in seeds:
        for each in trained:
            yield PlannedRun(run_id=_id(each, seed), variant=each.name, seed=seed)


def _id(work: Work, seed: int | None) -> str:
    return run_id(work.chosen, work.method, seed)
