"""Open Optuna's storage (a journal file or a database) and check that a search is unchanged."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from sqlalchemy import event

from tempo.core.config_diff import ABSENT, at_path, diff
from tempo.core.errors import MissingError, Place, SpecError
from tempo.core.redaction import redacted
from tempo.spec.load import LoadedStudy
from tempo.spec.search_section import MAXIMISED, SearchSpec
from tempo.spec.yaml.value_tree import shown
from tempo.tuning.space import Space

SIGNATURE = "tempo"
"""User attribute of the Optuna study: all that its trials have in common."""

PROMOTED = "promoted"
"""User attribute of the Optuna study: numbers of pruned trials to be finished after all."""

MAY_CHANGE = (
    "the budget, more seeds, the sampler, the pruner, race, enqueue, warm_start, confirm, top, "
    "heartbeat and everything in runtime"
)

JOURNAL = "journal.log"


def journal_url(folder: Path) -> str:
    """Return the path of the journal file, as optuna-dashboard takes it."""
    return str(folder / JOURNAL)


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Open the storage, creating its tables if need be, by one process at a time.

    Raises:
        MissingError: the database does not answer, or its driver is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    silence_optuna()
    if url is None:
        return JournalStorage(JournalFileBackend(journal_url(folder)))
    try:
        with FileLock(folder / "storage.lock"):
            made = RDBStorage(url)
            if url.startswith("sqlite"):
                _use_write_ahead_log(made)
            return get_storage(made)
    except ImportError as error:
        hint = "pip install 'tempo-vfi[postgres]'" if "psycopg" in str(error) else str(error)
        raise MissingError(f"search.storage {redacted(url)} needs a driver: {hint}") from error
    except (StorageInternalError, OSError) as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        raise MissingError(f"search.storage {redacted(url)} does not answer: {cause}") from error
    except Exception as error:
        if type(error).__module__.startswith("sqlalchemy"):
            cause = str(error).splitlines()[0]
            raise MissingError(f"search.storage {redacted(url)}: {cause}") from error
        raise


def _use_write_ahead_log(storage: RDBStorage) -> None:
    """Set SQLite to a write-ahead log, so that a trial's many writes do not wait for the disk.

    A power cut may undo the last ones, of trials that it ended anyway.
    """

    def connected(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    event.listen(storage.engine, "connect", connected)
    storage.engine.dispose()


def ensure_study(
    storage: BaseStorage, name: str, search: SearchSpec, signature: Mapping[str, Any], place: Place
) -> bool:
    """Create the Optuna study or check that it is the same search; return whether it is new.

    Call under the search's file lock.

    Raises:
        SpecError: the search was begun with another space; names what differs and what may change.
    """
    known = {study.study_name for study in storage.get_all_studies()}
    directions = [
        StudyDirection.MAXIMIZE if each in MAXIMISED else StudyDirection.MINIMIZE
        for each in search.objectives
    ]
    if name not in known:
        made = storage.create_new_study(directions, name)
        storage.set_study_user_attr(made, SIGNATURE, dict(signature))
        return True
    check_study(storage, name, signature, place)
    number = storage.get_study_id_from_name(name)
    if storage.get_study_user_attrs(number).get(SIGNATURE) != signature:
        storage.set_study_user_attr(number, SIGNATURE, dict(signature))
    return False


def check_study(
    storage: BaseStorage, name: str, signature: Mapping[str, Any], place: Place
) -> bool:
    """Return whether the search exists; raise SpecError if it was begun with another space."""
    if name not in {study.study_name for study in storage.get_all_studies()}:
        return False
    attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    if SIGNATURE in attributes:
        _check_same(name, attributes[SIGNATURE], signature, place)
    return SIGNATURE in attributes


def _check_same(name: str, before: Mapping[str, Any], now: Mapping[str, Any], place: Place) -> None:
    changed = [path for path in sorted(diff(before, now, ABSENT)) if not path.startswith("seeds")]
    lost = [seed for seed in before.get("seeds", ()) if seed not in now["seeds"]]
    told = [f"{at} was {shown(_plain(before, at))}, is {shown(_plain(now, at))}" for at in changed]
    if lost:
        told.append(f"seeds lost {lost}: seeds can be added, not taken away")
    if told:
        raise SpecError(
            f"search {name!r} was begun differently, and its trials would not be comparable:\n  "
            + "\n  ".join(told)
            + f"\nMay change: {MAY_CHANGE}. For anything else give `study` another name.",
            place,
        )


def _plain(value: Mapping[str, Any], path: str) -> Any:
    found = at_path(value, path)
    return found if isinstance(found, str | int | float | list | dict | None) else "absent"


def promotions(storage: BaseStorage, name: str) -> list[int]:
    """Return the numbers of the pruned trials that were promoted."""
    attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    return [int(number) for number in attributes.get(PROMOTED, ())]


def promote(storage: BaseStorage, name: str, numbers: Iterable[int]) -> None:
    """Mark pruned trials to be finished by the next driver of the search."""
    study = storage.get_study_id_from_name(name)
    wanted = sorted({*promotions(storage, name), *numbers})
    storage.set_study_user_attr(study, PROMOTED, wanted)


def silence_optuna() -> None:
    """Silence Optuna's messages below warnings: what Optuna does is in the records."""
    logging.getLogger("optuna").setLevel(logging.WARNING)
    warnings.simplefilter("ignore", ExperimentalWarning)


COMPARED = ("arch", "data", "recipe", "evaluation")


def optuna_name(loaded: LoadedStudy) -> str:
    """Return the name of a search's Optuna study: each profile has one of its own."""
    return f"{loaded.spec.study}.{loaded.profile}" if loaded.profile else loaded.spec.study


def signature(space: Space) -> Mapping[str, Any]:
    """Return what all trials of a search share, so that their values can be compared.

    Space, objectives, constraints, seeds, and what of the study itself counts for its runs, in
    plain JSON values, so that what was stored compares equal to what is asked now.
    """
    spec = space.loaded.spec
    base = space.base.resolved.chosen
    factors = {
        parameter.name: spec.factors[parameter.name].model_dump(mode="json", exclude_defaults=True)
        for parameter in space.parameters
    }
    value = {
        "factors": factors,
        "exclude": [each.model_dump(mode="json") for each in spec.exclude],
        "objectives": list(space.search.objectives),
        "constraints": [str(each) for each in space.search.constraints],
        "study": {name: base[name] for name in COMPARED if name in base},
        "seeds": list(spec.seeds),
    }
    plain: Mapping[str, Any] = json.loads(json.dumps(value))
    return plain
