"""Decide whether a recorded run can be reused for a run that is requested now.

A result made by other result-relevant code, that of its plug-ins included, or from weights of a run
that was trained again since, is stale: it is made again unless the user asks to reuse it. Threads,
processes, micro-batch, device and compile mode can change a result by rounding alone, so a result
made under other settings is reused, and the difference is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tempo.core.code_stamp import code_stamp
from tempo.core.errors import RecordError
from tempo.core.plugins.description import stamps as stamps_of
from tempo.core.records import RunStatus
from tempo.records.event_log import progress_of
from tempo.records.files import is_there, read_bytes
from tempo.records.layout import Store, load_run
from tempo.records.parent_runs import changed_parent

OTHER_CODE = "made by other code"
"""Why a result is stale that another version of Tempo's own code made."""

_RUN_ID = re.compile(rb'"run_id": ?"([0-9A-Za-z]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseStatus:
    """What the record of a run offers: a `complete` result or not, made by other code or from
    weights that were trained again since (`stale`, with the reason in `why`) or not, `beside`
    machine settings other than those requested, as `threads 2 (asked: 1)`."""

    complete: bool = False
    stale: bool = False
    why: str = ""
    beside: tuple[str, ...] = ()

    def reusable(self, *, stale_too: bool) -> bool:
        """Whether the result is taken as it is."""
        return self.complete and (stale_too or not self.stale)


def reuse_status(
    folder: Path,
    runtime: Mapping[str, Any] | None = None,
    plugins: Sequence[Mapping[str, Any]] | None = None,
) -> ReuseStatus:
    """Compare the record in a run's folder with the requested `runtime` section and this code.

    `plugins` are those of the requested run; None takes those of the recorded one.

    Raises:
        RecordError: when the record is damaged; says how the run is carried out again.
    """
    try:
        if not is_there(folder / "run.json"):
            return ReuseStatus()
        progress = progress_of(folder)
        environments, finish = progress.environments, progress.finish
        why = _other_code(folder, environments, plugins)
    except RecordError as error:
        raise RecordError(
            f"{error}; move the folder {folder} away, and the run is carried out again"
        ) from error
    last = environments[-1] if environments else {}
    if not why and (parent := changed_parent(folder, last)) is not None:
        why = f"made from the weights of run {parent}, which was trained again"
    return ReuseStatus(
        complete=finish is not None and finish.status == RunStatus.COMPLETE,
        stale=bool(why),
        why=why,
        beside=tuple(_differences(last, runtime)) if runtime and last else (),
    )


def _other_code(
    folder: Path,
    environments: Sequence[Mapping[str, Any]],
    plugins: Sequence[Mapping[str, Any]] | None,
) -> str:
    """Return what code a run was made by that has changed since; empty where none has."""
    if _plugins_changed(folder, environments, plugins):
        return "made by other code of plug-ins"
    # Imported runs carry no stamp: their code is unknown, so they are not called stale.
    stamps = {each["code_stamp"] for each in environments if "code_stamp" in each}
    return OTHER_CODE if stamps - {code_stamp()} else ""


def _plugins_changed(
    folder: Path,
    environments: Sequence[Mapping[str, Any]],
    plugins: Sequence[Mapping[str, Any]] | None,
) -> bool:
    """Return whether the code of a run's plug-ins is another one than it was made with."""
    made = [dict(each.get("plugins") or {}) for each in environments]
    if not any(made):
        return False
    if plugins is None:
        plugins = load_run(folder).config.get("plugins") or ()
    now = stamps_of(plugins)
    return any(_outdated({name: each["stamp"] for name, each in one.items()}, now) for one in made)


def _outdated(made: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Return whether code that a run was made with has changed.

    A plug-in that came to it is no change, as a metric that was added is none: equal run ids say
    that the same was chosen. One that is gone is, where another came in its place.
    """
    came = now.keys() - made.keys()
    return any(
        now[name] != stamp if name in now else bool(came) and stamp not in now.values()
        for name, stamp in made.items()
    )


def _differences(was: Mapping[str, Any], runtime: Mapping[str, Any]) -> Iterator[str]:
    for name in ("threads", "compile"):
        if name in was and was[name] != runtime[name]:
            yield f"{name} {was[name]} (asked: {runtime[name]})"
    asked = runtime.get("kernels", "auto")
    if asked != "auto" and str(was.get("kernels", "plain")).partition(":")[0] != asked:
        yield f"kernels {was.get('kernels', 'plain')} (asked: {asked})"
    asked = runtime["micro_batch"]
    if asked != "auto" and was.get("micro_batch", asked) != asked:
        yield f"micro_batch {was['micro_batch']} (asked: {asked})"
    kind = "cpu" if was.get("device") == "cpu" else "cuda"
    if runtime["device"] != "auto" and "device" in was and kind != runtime["device"]:
        yield f"device {was['device']} (asked: {runtime['device']})"
    if was.get("world_size", 1) != 1:
        yield f"world_size {was['world_size']}"


def planned_run_ids(plan: Path) -> set[str]:
    """Return the run ids in a stored plan.

    The file is searched without being parsed: a plan of ten thousand runs takes milliseconds.

    Raises:
        RecordError: when it cannot be read.
    """
    return {run_id.decode() for run_id in _RUN_ID.findall(read_bytes(plan))}


def other_studies(store: Store, study: str) -> dict[str, tuple[str, ...]]:
    """Return, by run_id, the studies other than `study` that planned the run, of those plans that
    can be read."""
    found: dict[str, tuple[str, ...]] = {}
    for name in store.studies():
        if name == study:
            continue
        for run_id in _planned(store.root / "studies" / name):
            found[run_id] = (*found.get(run_id, ()), name)
    return found


def _planned(study: Path) -> set[str]:
    found: set[str] = set()
    for path in (study / "plans").glob("*.json"):
        with suppress(RecordError):
            found |= planned_run_ids(path)
    return found
