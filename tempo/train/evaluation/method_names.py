"""Resolve the names that users type to methods."""

from __future__ import annotations

import re
from pathlib import Path

from tempo.core.catalog import nearest
from tempo.core.errors import RecordError
from tempo.metrics.references import REFERENCES
from tempo.records.layout import Store
from tempo.train.evaluation.external_methods import of_callable, of_folder
from tempo.train.evaluation.methods import Method, of_file, of_run, reference

CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
SHORTEST = 4
"""Digits of a run's id that may stand for it, where no other begins so."""


def find_methods(text: str, store: Store) -> list[Method]:
    """Return the methods that `text` names: one, or each run of a study.

    `text` is a reference (`average`), `package.module:callable`, a checkpoint or weights file, the
    folder of a run, a folder of pictures, a run's id or its beginning, or a study.

    Raises:
        RecordError: when it is none of these, or is one that cannot be used.
    """
    path = Path(text)
    if text in REFERENCES:
        return [reference(text, store.root)]
    if path.is_file():
        return [of_file(path, store.root)]
    if (path / "run.json").is_file():
        return [of_run(path, path.resolve().name)]
    if CALLABLE.fullmatch(text):
        return [of_callable(text, store.root)]
    if path.is_dir():
        return [of_folder(path, store.root)]
    return _recorded(text, store)


def _recorded(text: str, store: Store) -> list[Method]:
    if text in store.studies():
        plan = store.load_plan(text)
        return [of_run(store.run_dir(run.run_id), run.title) for run in plan.distinct_runs]
    runs = sorted(path.parent.name for path in store.root.glob("runs/*/run.json"))
    found = [run for run in runs if len(text) >= SHORTEST and run.startswith(text)]
    if len(found) == 1:
        return [of_run(store.run_dir(found[0]), found[0])]
    if found:
        raise RecordError(f"{text!r} begins the ids of {len(found)} runs: {', '.join(found)}")
    raise RecordError(_unknown(text, store, len(runs)))


def _unknown(text: str, store: Store, runs: int) -> str:
    studies = store.studies()
    guess = nearest(text, [*REFERENCES, *studies])
    hint = f"; did you mean {guess!r}?" if guess else ""
    return (
        f"nothing is called {text!r}{hint} (known: the references {', '.join(REFERENCES)}; "
        f"in {store.root} the studies {', '.join(studies) or 'none'} and {runs} runs by id; a "
        "checkpoint file, a run's folder, a folder of pictures, or package.module:callable)"
    )


def find_one(text: str, store: Store) -> Method:
    """Return the one method that `text` names; of a study its only network.

    Raises:
        RecordError: also when it names a study of several networks; lists its runs.
    """
    found = find_methods(text, store)
    networks = [each for each in found if each.run_id]
    if len(found) > 1 and len(networks) == 1:
        return networks[0]
    if len(found) > 1:
        runs = ", ".join(f"{each.run_id or each.name} ({each.name})" for each in found)
        raise RecordError(f"{text!r} is a study of {len(found)} runs; name one of them: {runs}")
    return found[0]
