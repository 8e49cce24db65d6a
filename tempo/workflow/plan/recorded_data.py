"""Check that recorded results were measured on the data that a study names now.

Where a folder lies is no part of a run's identity, so another folder under the same spec finds the
results of the first: what lies in it has to be compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from os.path import expandvars
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import MissingError, RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.spec.data import DATASETS
from tempo.workflow.suggestions import suggested

if TYPE_CHECKING:
    from tempo.data.cache.splits import SplitPlan


def reads_folders(plan: Plan) -> bool:
    """Return whether a data set of a plan is a folder, which can hold something else later."""
    return any(any(_roots(variant.config["data"])) for variant in plan.variants)


def check_recorded_data(
    plan: Plan,
    done: Iterable[PlannedRun],
    store: Store,
    cache: Path,
    say: Callable[[str], None],
    *,
    reuse_stale: bool,
) -> None:
    """Compare the test clips that results were measured on with those of the data set now.

    `done` are the runs whose results are taken as they are. A data set that is not here is said,
    and so is a difference where stale results are taken.

    Raises:
        RecordError: when they differ, so that one table would show two data sets.
    """
    configs = {variant.name: variant.config for variant in plan.variants}
    checked: dict[tuple[str, str], PlannedRun] = {}
    for run in done:
        data = configs[run.variant]["data"]
        if any(_roots(data)) and (recorded := _recorded(store, run)) is not None:
            checked.setdefault((json.dumps(data, sort_keys=True), recorded), run)
    for (data, recorded), run in checked.items():
        try:
            now = _planned(json.loads(data), cache)
        except MissingError as error:
            say(f"Results are shown as recorded: {str(error).partition('; ')[0]}.")
            continue
        if now is None or now.digest == recorded:
            continue
        folders = " and ".join(dict.fromkeys(_roots(json.loads(data))))
        if now.earlier_digest is not None and now.earlier_digest.digest == recorded:
            say(
                f"{run.title} was recorded when the test clips of {folders} "
                f"{now.earlier_digest.when}."
            )
            continue
        said = f"{run.title} was measured on other test clips than {folders} has now"
        if reuse_stale:
            say(f"warning: {said}; its result is shown all the same (--reuse-stale).")
            continue
        raise RecordError(
            f"{said}. Give the data set a `name` of its own in the spec, so that its runs are told "
            "apart, or choose other records (--records DIR); "
            f"`{suggested('compare', plan.study, records=store.root)}` shows the recorded results"
        )


def _recorded(store: Store, run: PlannedRun) -> str | None:
    """Return the digest of the test clips that a result was measured on; None where it is not
    known, or where clips that could not be read changed it."""
    record = read_run(store.run_dir(run.run_id))
    if any(note.topic == "data" for note in record.notes):
        return None
    found = [attempt.environment.get("data") for attempt in record.lineage]
    digests = [each["test"] for each in found if isinstance(each, Mapping) and "test" in each]
    return str(digests[-1]) if digests else None


def _planned(data: Mapping[str, Any], cache: Path) -> SplitPlan | None:
    """Return the plan of the test clips of a data set as it is now.

    Data sets need packages that most commands do without, so they are imported here.
    """
    from tempo.data.open_dataset import planned_split
    from tempo.spec.options import parse_slot

    return planned_split(parse_slot(DATASETS, dict(data)), "test", cache)


def _roots(data: Any) -> Iterator[str]:
    """Yield the folders that a data set names, and those of the data sets in it."""
    if isinstance(data, Mapping):
        if isinstance(data.get("root"), str):
            yield expandvars(data["root"])
        data = list(data.values())
    if isinstance(data, list | tuple):
        for each in data:
            yield from _roots(each)
