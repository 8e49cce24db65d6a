"""Whether what a run's folder holds can stand for a run that is asked for now.

A result made by other result-relevant code is stale: it is made again unless the user asks to
reuse it. Threads, processes, micro-batch, device and compile mode can move a result by rounding
alone, so a result made under others is reused, and said to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tempo.core.code_stamp import code_stamp
from tempo.records.event_log import read_events
from tempo.records.event_tail import is_complete
from tempo.records.events import EVENTS, AttemptStarted
from tempo.records.layout import Store

_STARTS_ONLY = tuple(kind for kind in EVENTS if kind != AttemptStarted.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is recorded of a run.

    Attributes:
        complete: there is a whole result.
        stale: what is there, whole or not, was made by other code.
        beside: how the machine's part differed from what is asked for, as `threads 2 (asked: 1)`.
    """

    complete: bool = False
    stale: bool = False
    beside: tuple[str, ...] = ()

    def reusable(self, *, stale_too: bool) -> bool:
        """Whether the result is taken as it is."""
        return self.complete and (stale_too or not self.stale)


def look(folder: Path, runtime: Mapping[str, Any] | None = None) -> Found:
    """What a run's folder holds, beside what the `runtime` section of its config asks for."""
    if not (folder / "run.json").is_file():
        return Found()
    environments = _lineage(folder)
    last = environments[-1] if environments else {}
    return Found(
        complete=is_complete(folder),
        stale=_other_code(environments),
        beside=tuple(_differences(last, runtime)) if runtime and last else (),
    )


def is_stale(folder: Path) -> bool:
    """Whether other code made what is in a run's folder, whole or not."""
    return _other_code(_lineage(folder))


def _lineage(folder: Path) -> list[Mapping[str, Any]]:
    """The environments of the attempts whose work counts, as far as they are known."""
    found: list[Mapping[str, Any]] = []
    for logged in read_events(folder, without=_STARTS_ONLY):
        assert isinstance(logged.event, AttemptStarted)
        if logged.event.afresh:
            found = []
        if logged.event.environment:
            found.append(logged.event.environment)
    return found


def _other_code(environments: list[Mapping[str, Any]]) -> bool:
    """Imported runs carry no stamp: nothing is known of their code, so nothing is held against
    them."""
    stamps = {each["code_stamp"] for each in environments if "code_stamp" in each}
    return bool(stamps - {code_stamp()})


def _differences(was: Mapping[str, Any], runtime: Mapping[str, Any]) -> Iterator[str]:
    for name in ("threads", "compile"):
        if name in was and was[name] != runtime[name]:
            yield f"{name} {was[name]} (asked: {runtime[name]})"
    asked = runtime["micro_batch"]
    if asked != "auto" and was.get("micro_batch", asked) != asked:
        yield f"micro_batch {was['micro_batch']} (asked: {asked})"
    kind = "cpu" if was.get("device") == "cpu" else "cuda"
    if runtime["device"] != "auto" and "device" in was and kind != runtime["device"]:
        yield f"device {was['device']} (asked: {runtime['device']})"
    if was.get("world_size", 1) != 1:
        yield f"world_size {was['world_size']}"


_RUN_ID = re.compile(rb'"run_id": ?"([0-9a-f]+)"')


def other_studies(store: Store, study: str) -> dict[str, tuple[str, ...]]:
    """The studies beside `study` that planned a run, by run_id.

    Plans are searched for their ids without being parsed: one of ten thousand runs takes a
    moment, not seconds.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in store.studies():
        if name == study:
            continue
        ids: set[bytes] = set()
        for path in (store.study_dir(name) / "plans").glob("*.json"):
            ids.update(_RUN_ID.findall(path.read_bytes()))
        for run_id in ids:
            found[run_id.decode()] = (*found.get(run_id.decode(), ()), name)
    return found
