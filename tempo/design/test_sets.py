"""Plan the evaluations of a study's runs, and of methods of others, on further test sets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tempo.core.identity import short_hash
from tempo.core.records import Parent, PlannedRun, PlannedTestSet, PlannedVariant
from tempo.design.configs import Resolved
from tempo.design.study_context import StudyContext
from tempo.records.files import sha256_of
from tempo.spec.sections.test_run import evaluation_id
from tempo.spec.sections.test_sets import OtherMethod, TestSetEntry
from tempo.spec.yaml.value_tree import change


def planned_test_sets(
    study: StudyContext, variants: Sequence[str], runs: Sequence[PlannedRun]
) -> Iterator[PlannedTestSet]:
    """Yield each further test set with an evaluation for every run and every method of others."""
    evaluation = study.spec.evaluation
    sets = [one for entry in evaluation.test_sets for one in entry.single()]
    if evaluation.methods and not sets:
        study.add_problem(
            "methods are judged on the further test sets, and there is none: add "
            "`evaluation.test_sets`, such as [vimeo90k, snu_film:hard]",
            "evaluation.methods",
        )
    _check_names(study, sets, variants)
    methods = list(_methods(study))
    keys = {method.title: method_key(method) for method, _ in methods}
    for one in sets:
        options, listed = one.model_dump(mode="json"), _listed(one)
        yield PlannedTestSet(
            name=one.key,
            title=one.title,
            options=options,
            runs=(*_of_runs(one, listed, runs), *_of_methods(one, listed, keys)),
            methods=tuple(_variant(*method, options) for method in methods),
        )


def _check_names(
    study: StudyContext, sets: Sequence[TestSetEntry], variants: Sequence[str]
) -> None:
    for key in {one.key for one in sets if [other.key for other in sets].count(one.key) > 1}:
        title = next(one.title for one in sets if one.key == key)
        message = f"two test sets are called {title!r}: name each once, or give it a `name`"
        study.add_problem(message, "evaluation.test_sets")
    names = [*variants, *study.spec.references]
    for method in study.spec.evaluation.methods:
        if method.title in names and method.method not in study.spec.references:
            message = f"two rows would be called {method.title!r}: give the method another `name`"
            study.add_problem(message, "evaluation.methods")
        names.append(method.title)


def _methods(study: StudyContext) -> Iterator[tuple[OtherMethod, Resolved]]:
    """Yield the methods that are no references of the study already, with a config of theirs."""
    place = study.factors.place("evaluation.methods")
    for method in study.spec.evaluation.methods:
        if method.method in study.spec.references:
            continue
        # Pictures and callables are no method that a spec knows: only what judges them counts.
        named = method.method or "average"
        resolved = study.configs.resolve((change("method", named, place),))
        if resolved is not None:
            yield method, resolved


def _variant(method: OtherMethod, resolved: Resolved, options: Mapping[str, Any]) -> PlannedVariant:
    config = {**resolved.config, "test_set": dict(options)}
    if not method.method:
        config["other"] = method.model_dump(mode="json")
    return PlannedVariant(name=method.title, role="reference", levels={}, config=config)


def _listed(test_set: TestSetEntry) -> str:
    """Return the list of a subset; empty where there is none, or none that can be read."""
    try:
        return Path(test_set.subset).read_text() if test_set.subset else ""
    except (OSError, ValueError):
        # Whoever opens the set says why.
        return ""


def _of_runs(
    test_set: TestSetEntry, listed: str, runs: Sequence[PlannedRun]
) -> Iterator[PlannedRun]:
    for run in runs:
        yield PlannedRun(
            run_id=evaluation_id(run.run_id, test_set, listed),
            variant=run.variant,
            seed=run.seed,
            parents=(Parent(source=run.title, run_id=run.run_id),),
        )


def _of_methods(
    test_set: TestSetEntry, listed: str, keys: Mapping[str, str]
) -> Iterator[PlannedRun]:
    for title, key in keys.items():
        run_id = evaluation_id(key, test_set, listed)
        yield PlannedRun(run_id=run_id, variant=title, seed=None)


def method_key(method: OtherMethod) -> str:
    """Return what tells a method of others apart: its name, and its pictures or its source file.

    Pictures count by name, size and time of change, so that others under the same names are judged
    again.
    """
    if method.method:
        return method.method
    if method.call:
        return f"call {method.call} {_source(method.call.partition(':')[0])}"
    folder = Path(method.folder)
    files = sorted(each for each in folder.rglob("*") if each.is_file()) if folder.is_dir() else []
    stats = [(each, each.stat()) for each in files]
    found = [
        [each.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns]
        for each, stat in stats
    ]
    return f"folder {method.title} {short_hash(found)}"


def _source(module: str) -> str:
    """Return the SHA-256 of a module's file, without importing it; empty where it is not found."""
    path = Path(*module.split("."))
    for root in ("", *sys.path):
        for file in (Path(root) / path.with_suffix(".py"), Path(root) / path / "__init__.py"):
            if file.is_file():
                return sha256_of(file)
    return ""
