"""Resolve what a user names: specs, studies, folders of records, runs, methods.

One rule for every command and the API: a run is named by its id, by the first characters of the
id (at least `SHORTEST_ID`, where no other begins so), by its folder, or as VARIANT sSEED.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.catalog import nearest, unknown
from tempo.core.counted import counted
from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedRun
from tempo.records.layout import SHORTEST_ID, Store, root_of

if TYPE_CHECKING:
    from tempo.track.mlflow_import.mlflow_reader import FoundRun
    from tempo.train.evaluation.methods import Method

UNPLANNED = "?"
"""The variant of a run that no current plan mentions."""

SPEC_SUFFIXES = {".yaml", ".yml"}

SHOWN = 8
"""Candidates that a message lists."""


PREFIX = "mlflow:"
RUN_ID_LENGTH = 32
"""Hex digits of a run id of MLflow."""


# --- plans -----------------------------------------------------------------------------------


def is_plan(name: str, store: Store) -> bool:
    """Whether a name is a spec file or a recorded study."""
    return Path(name).suffix in SPEC_SUFFIXES or name in store.studies()


def plan_named(name: str, store: Store, profile: str | None = None) -> Plan:
    """The plan of a spec file, or the one that a study was last carried out by.

    Raises:
        RecordError: when nothing is called so; names the studies there are.
    """
    if Path(name).suffix in SPEC_SUFFIXES:
        from tempo.spec.load import load_study
        from tempo.workflow.plan.study_plan import make_plan
        from tempo.workflow.run_options import RunOptions

        loaded = load_study(Path(name), profile=profile)
        return make_plan(loaded, RunOptions(records=store.root))
    return store.load_plan(name, profile)


def plans_of(store: Store, say: Callable[[str], object] = warnings.warn) -> list[Plan]:
    """The current plan of each study; `say` is told which cannot be read and are left out."""
    found = store.load_plans()
    if found.left_out:
        say(found.left_out)
    return list(found.plans)


def select(
    names: Sequence[str],
    records: Path,
    profile: str | None = None,
    say: Callable[[str], object] = warnings.warn,
) -> list[tuple[Store, Plan]]:
    """The plans that `names` mean, each in its records; runs together make a plan of their own.

    A name is a study in `records`, a folder of records (all of its studies; `say` is told which
    cannot be read and are left out), a study's or a run's folder in one, or a run.

    Raises:
        RecordError: for a name that is nothing of this, with what is there.
    """
    from tempo.comparison.loading.load_runs import adhoc

    found: list[tuple[Store, Plan]] = []
    runs: dict[Path, list[Path]] = {}
    for name in names:
        plans = _plans(name, Store(records), profile, say)
        found += plans
        if not plans:
            folder = _run_folder(name, Store(records))
            runs.setdefault(root_of(folder), []).append(folder)
    return found + [(Store(root), adhoc(Store(root), folders)) for root, folders in runs.items()]


def _plans(
    name: str, store: Store, profile: str | None, say: Callable[[str], object]
) -> list[tuple[Store, Plan]]:
    """The plans of a study, of a study's folder or of a folder of records; empty for others."""
    folder = Path(name)
    if name in store.studies():
        return [(store, store.load_plan(name, profile))]
    if (folder / "plans").is_dir():
        inside = Store(folder.parent.parent)
        return [(inside, inside.load_plan(folder.name, profile))]
    if (folder / "studies").is_dir():
        inside = Store(folder)
        if profile is not None:
            return [(inside, inside.load_plan(study, profile)) for study in inside.studies()]
        return [(inside, plan) for plan in plans_of(inside, say)]
    return []


# --- runs ------------------------------------------------------------------------------------


def run_named(name: str, store: Store) -> PlannedRun:
    """The run with this id, the one whose id begins so, or `VARIANT sSEED` of any study.

    `STUDY/VARIANT sSEED` names it where several studies have a run that is called so.

    Raises:
        RecordError: when no run, or more than one, is called so.
    """
    left_out: list[str] = []
    plans = plans_of(store, left_out.append)
    planned = {run.run_id: run for plan in plans for run in (*plan.runs, *plan.evaluations)}
    studies = {run.run_id: plan.study for plan in plans for run in (*plan.runs, *plan.evaluations)}
    runs = store.root / "runs"
    known = dict(planned)
    for folder in runs.iterdir() if runs.is_dir() else ():
        known.setdefault(folder.name, PlannedRun(run_id=folder.name, variant=UNPLANNED, seed=None))
    exact = [
        run
        for run_id, run in known.items()
        if name in {run_id, run.title, f"{studies.get(run_id)}/{run.title}"}
    ]
    found = exact or [
        run
        for run in known.values()
        if len(name) >= SHORTEST_ID and name.isalnum() and run.run_id.startswith(name)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(
            f"{run.run_id} ({run.title} of {studies.get(run.run_id, 'no study')})"
            for run in found[:SHOWN]
        )
        raise RecordError(
            f"{name!r} could be any of {len(found)} runs; name one by its id, or as "
            f"'STUDY/{name}': {listed}"
        )
    titles = sorted({run.title for run in planned.values()})
    guess = nearest(name, titles)
    hint = f"; did you mean {guess!r}?" if guess else ""
    raise RecordError(
        f"no run {name!r} in {store.root}{hint} (a run is named by its id, by at least "
        f"{SHORTEST_ID} characters that only its id begins with, or as VARIANT sSEED, "
        "or STUDY/VARIANT sSEED)" + "".join(f"; {sentence}" for sentence in left_out)
    )


def _run_folder(name: str, store: Store) -> Path:
    """The folder of a run, named by its path or by `run_named`'s rule."""
    if (Path(name) / "run.json").is_file():
        return Path(name)
    try:
        return store.run_dir(run_named(name, store).run_id)
    except RecordError as error:
        raise RecordError(
            f"{unknown('study', name, store.studies())}; as a run: {error}"
        ) from error


# --- methods ---------------------------------------------------------------------------------


def find_methods(what: str | Callable[..., Any], store: Store) -> list[Method]:
    """The methods that `what` names: one, or each run of a study.

    `what` is a Python callable, a reference (`average`), `package.module:callable`, a checkpoint
    or weights file, the folder of a run, a folder of pictures, a study, or a run.

    Raises:
        RecordError: when it is none of these, or is one that cannot be used.
    """
    from tempo.train.evaluation.external_methods import of_function

    if not isinstance(what, str):
        return [of_function(what, store.root)]
    alone = _method_beside_records(what, store)
    if alone is not None:
        return [alone]
    return _recorded_methods(what, store)


def _method_beside_records(what: str, store: Store) -> Method | None:
    """A reference, file, folder or importable callable; None when `what` is none of these."""
    from tempo.metrics.references import REFERENCES
    from tempo.train.evaluation.external_methods import of_callable, of_folder
    from tempo.train.evaluation.methods import of_file, of_run, reference

    path, root = Path(what), store.root
    makers: list[tuple[bool, Callable[[], Method]]] = [
        (what in REFERENCES, lambda: reference(what, root)),
        (path.is_file(), lambda: of_file(path, root)),
        ((path / "run.json").is_file(), lambda: of_run(path, path.resolve().name)),
        (is_callable_name(what), lambda: of_callable(what, root)),
        (path.is_dir(), lambda: of_folder(path, root)),
    ]
    return next((make() for applies, make in makers if applies), None)


def _recorded_methods(what: str, store: Store) -> list[Method]:
    """The runs of a study, or one run, by the rule of `run_named`."""
    from tempo.train.evaluation.methods import of_run

    if what in store.studies():
        plan = store.load_plan(what)
        return [of_run(store.run_dir(run.run_id), run.title) for run in plan.distinct_runs]
    try:
        run = run_named(what, store)
    except RecordError as error:
        raise RecordError(_unknown_method(what, store, error)) from error
    return [of_run(store.run_dir(run.run_id), what if what == run.title else run.run_id)]


def is_callable_name(text: str) -> bool:
    """Whether a text has the form `package.module:name`."""
    module, colon, name = text.partition(":")
    parts = [*module.split("."), *name.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def _unknown_method(text: str, store: Store, why: RecordError) -> str:
    from tempo.metrics.references import REFERENCES

    studies = store.studies()
    guess = nearest(text, [*REFERENCES, *studies])
    hint = f"; did you mean {guess!r}?" if guess else ""
    return (
        f"nothing is called {text!r}{hint} (known: the references {', '.join(REFERENCES)}; in "
        f"{store.root} the studies {', '.join(studies) or 'none'}; a checkpoint file, a run's "
        f"folder, a folder of pictures, or package.module:callable; as a run: {why})"
    )


def find_method(what: str, store: Store) -> Method:
    """The one method that `what` names: of a study the only network.

    Raises:
        RecordError: also when it names a study of several networks; lists its runs.
    """
    found = find_methods(what, store)
    networks = [each for each in found if each.run_id]
    if len(found) > 1 and len(networks) == 1:
        return networks[0]
    if len(found) > 1:
        runs = ", ".join(f"{each.run_id or each.name} ({each.name})" for each in found)
        raise RecordError(f"{what!r} is a study of {len(found)} runs; name one of them: {runs}")
    return found[0]


# --- MLflow ----------------------------------------------------------------------------------


def without_mlflow(
    names: Sequence[str], store: Store, uri: str, *, asked: bool, say: Callable[[str], None]
) -> list[str]:
    """`names` with those that mean something in MLflow replaced by studies and run folders.

    These are `mlflow:NAME`, run ids of MLflow, and, where the user `asked` for the MLflow store at
    `uri`, what the records do not know. `say` receives what was imported.
    """
    return [
        found
        for name in names
        for found in (
            _records_of(name.removeprefix(PREFIX), store, uri, say)
            if _is_of_mlflow(name, store, asked=asked)
            else [name]
        )
    ]


def _is_of_mlflow(name: str, store: Store, *, asked: bool) -> bool:
    if name.startswith(PREFIX):
        return True
    if len(name) == RUN_ID_LENGTH and set(name) <= set("0123456789abcdef"):
        return not store.run_dir(name).is_dir()
    return asked and not _recorded(name, store)


def _recorded(name: str, store: Store) -> bool:
    try:
        select([name], store.root)
    except RecordError:
        return False
    return True


def _records_of(text: str, store: Store, uri: str, say: Callable[[str], None]) -> Iterator[str]:
    from tempo.track.mlflow_import.mlflow_reader import find_runs

    meant = find_runs(uri, text)
    own = [run for run in meant.runs if run.run_id and (store.run_dir(run.run_id)).is_dir()]
    foreign = [run for run in meant.runs if run not in own]
    if own and meant.experiment in store.studies():
        yield str(meant.experiment)
    else:
        yield from (str(store.run_dir(str(run.run_id))) for run in own)
    if foreign:
        plan = _imported(foreign, meant.experiment, store, uri)
        are = "is" if len(plan.runs) == 1 else "are"
        runs = counted(len(plan.runs), "run")
        say(f"{runs} of MLflow {are} study {plan.study} of the records now")
        whole = meant.experiment is not None
        yield from (
            [plan.study] if whole else [str(store.run_dir(run.run_id)) for run in plan.runs]
        )


def _imported(runs: Sequence[FoundRun], experiment: str | None, store: Store, uri: str) -> Plan:
    """`runs` as records and a study of their own, which takes no other study's place."""
    from tempo.track.mlflow_import.import_runs import import_runs, study_name

    name = study_name(runs[0].experiment)
    if experiment is None:
        name = f"{name}_{short_hash(sorted(run.id for run in runs), 6)}"
    elif name in store.studies() and "imported" not in store.load_plan(name).spec:
        name = f"{name}_mlflow"
    before = store.load_plan(name).spec if name in store.studies() else {}
    rename = before.get("imported", {}).get("rename", {})
    return import_runs(store, uri, study=name, run_ids=[run.id for run in runs], rename=rename)
