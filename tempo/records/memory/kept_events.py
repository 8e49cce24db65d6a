"""Write events as one JSON text, and read them back without the checks that they passed before."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tempo.core.records import shallow
from tempo.records.events import EVENTS, Logged, decode, encode


def events_to_bytes(events: Sequence[Logged]) -> bytes:
    """Return events that were read from a log, in order."""
    rows = [
        [each.time, each.attempt, each.event.kind, encode(shallow(each.event))] for each in events
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


def events_from(content: bytes) -> list[Logged] | None:
    """Return the events that `events_to_bytes` wrote, without their places in the log; None where
    it is something else."""
    try:
        return [
            Logged(time=time, attempt=attempt, event=EVENTS[kind](**decode(fields)))
            for time, attempt, kind, fields in json.loads(content)
        ] or None
    except (KeyError, TypeError, ValueError):
        return None
