"""Read how long a frame takes from the last session in which a study's networks were timed."""

from __future__ import annotations

from collections.abc import Mapping

from tempo.comparison.loading.load_runs import Sample
from tempo.core.errors import RecordError
from tempo.records.method_results.latencies import Latency, load_session, network_key


def latencies(sample: Sample) -> tuple[Mapping[str, float], str]:
    """Return milliseconds a frame by variant, and of what frame on which device.

    They are those of the first size and precision at which every timed network of the study has a
    time, so that all are of one session; empty where there is none, or its file is damaged.
    """
    try:
        session = load_session(sample.store, sample.plan)
    except RecordError:
        session = None
    if session is None:
        return {}, ""
    timed = {
        variant.name: session.of(network_key(variant.config))
        for variant in sample.trained
        if "arch" in variant.config
    }
    rows = {name: {_key(row): row for row in found} for name, found in timed.items() if found}
    first = next(iter(rows.values()), {})
    for key, row in first.items():
        found = {name: own[key].ms for name, own in rows.items() if key in own}
        known = {name: ms for name, ms in found.items() if ms is not None}
        if len(known) == len(rows):
            return known, f"{row.size[1]} x {row.size[0]} in {row.precision} on {session.device}"
    return {}, ""


def _key(row: Latency) -> tuple[tuple[int, int], str]:
    return row.size, row.precision
