"""Compare configs, environments, data and code of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tempo.comparison.differences.difference import CodeChange, FieldChange, ModuleChange
from tempo.core.code_stamp import is_deciding
from tempo.core.config_diff import ABSENT, diff, flatten
from tempo.core.provenance import changed_sources
from tempo.records.provenance.module_stamps import modules_of
from tempo.records.run_record import RunRecord

NOT_ENVIRONMENT = frozenset({"pid", "code_stamp", "commit", "dirty", "data", "data_order"})
"""Recorded facts that say nothing, or stand in a section of their own."""

NAMES = frozenset({"plugins", "study"})
"""Fields of configs and specs that decide nothing."""

Modules = Callable[[Path, str], Mapping[str, str] | None]


def config_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], variant: str = ""
) -> tuple[FieldChange, ...]:
    """Return each field in which two configs or specs differ.

    The name of a study says nothing, nor where plug-ins lie: a run's environment holds which code
    they were.
    """
    return tuple(_changes(_settings(before), _settings(after), variant))


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return flatten({name: value for name, value in config.items() if name not in NAMES})


def _changes(
    before: Mapping[str, Any], after: Mapping[str, Any], variant: str = ""
) -> Iterator[FieldChange]:
    for path, (was, now) in diff(before, after, ABSENT).items():
        only: Literal["", "before", "after"] = ""
        if was is ABSENT or now is ABSENT:
            only = "after" if was is ABSENT else "before"
        yield FieldChange(
            path=path,
            before=None if was is ABSENT else was,
            after=None if now is ABSENT else now,
            only=only,
            variant=variant,
        )


def environment_changes(
    before: Sequence[RunRecord], after: Sequence[RunRecord]
) -> tuple[FieldChange, ...]:
    """Return what the machines, versions and settings of both sides differ in; of attempts and runs
    that differ among themselves every value is named."""
    return tuple(_changes(_facts(before, _environment), _facts(after, _environment)))


def data_changes(
    before: Sequence[RunRecord], after: Sequence[RunRecord]
) -> tuple[FieldChange, ...]:
    """Return the splits whose content differs, by their digests."""
    return tuple(_changes(_facts(before, _data), _facts(after, _data)))


def order_changes(title: str, before: RunRecord, after: RunRecord) -> tuple[FieldChange, ...]:
    """Return whether a pair of runs took the training clips in another order."""
    found = _changes(_facts([before], _order), _facts([after], _order), title)
    return tuple(each for each in found if not each.only)


def _environment(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: each for name, each in environment.items() if name not in NOT_ENVIRONMENT}


def _data(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"data": environment.get("data") or {}}


def _order(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    order = environment.get("data_order")
    return {} if order is None else {"order of training clips": order}


def _facts(
    runs: Sequence[RunRecord], of: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> dict[str, Any]:
    """Each fact of the attempts of `runs` that count: its value, or all values there are."""
    seen: dict[str, list[Any]] = {}
    for run in runs:
        for attempt in run.lineage:
            for path, value in flatten(of(attempt.environment)).items():
                known = seen.setdefault(path, [])
                if value not in known:
                    known.append(value)
    return {
        path: each[0] if len(each) == 1 else " | ".join(sorted(map(str, each)))
        for path, each in seen.items()
    }


# --- code ------------------------------------------------------------------------------------


def code_change(
    before: tuple[Path, Sequence[RunRecord]],
    after: tuple[Path, Sequence[RunRecord]],
    known: Modules = modules_of,
) -> CodeChange | None:
    """Return the stamps of both sides with the modules that differ; None where neither has one.

    Each side is a folder of records and runs in it. `known` returns the modules behind a stamp.
    """
    stamps = [_distinct(runs, _stamp_of) for _, runs in (before, after)]
    commits = [_distinct(runs, _commit_of) for _, runs in (before, after)]
    if not stamps[0] and not stamps[1]:
        return None
    found = CodeChange(
        before=stamps[0],
        after=stamps[1],
        commits_before=commits[0],
        commits_after=commits[1],
    )
    if found.same:
        return found
    if not (len(stamps[0]) == len(stamps[1]) == 1):
        return _explained(found, "a side has results of several stamps, or of none")
    was, now = known(before[0], stamps[0][0]), known(after[0], stamps[1][0])
    if was is not None and now is not None:
        return _explained(found, "", tuple(_modules(was, now)), "stamps")
    return _by_commits(found)


def _by_commits(found: CodeChange) -> CodeChange:
    """Ask git, where both sides are of one commit without changes beside it."""
    ends = (*found.commits_before, *found.commits_after)
    clean = len(ends) == 2 and not any(each.endswith("+") for each in ends)
    names = changed_sources(*ends) if clean else None
    if names is None:
        return _explained(
            found,
            "which modules differ is not known: the records of one side were written before stamps "
            "kept their modules, and git does not know both commits without changes beside them",
        )
    modules = [ModuleChange(module=each, how="changed") for each in names if is_deciding(each)]
    return _explained(found, "", tuple(modules), "git")


def _explained(
    found: CodeChange,
    note: str,
    modules: tuple[ModuleChange, ...] = (),
    source: Literal["", "stamps", "git"] = "",
) -> CodeChange:
    return CodeChange(
        before=found.before,
        after=found.after,
        commits_before=found.commits_before,
        commits_after=found.commits_after,
        modules=modules,
        source=source,
        note=note,
    )


def _modules(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[ModuleChange]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield ModuleChange(module=name, how="added")
        elif name not in after:
            yield ModuleChange(module=name, how="removed")
        elif before[name] != after[name]:
            yield ModuleChange(module=name, how="changed")


def _distinct(runs: Iterable[RunRecord], of: Callable[[Mapping[str, Any]], str]) -> tuple[str, ...]:
    found = dict.fromkeys(of(each.environment) for run in runs for each in run.lineage)
    return tuple(sorted(filter(None, found)))


def _stamp_of(environment: Mapping[str, Any]) -> str:
    return str(environment.get("code_stamp") or "")


def _commit_of(environment: Mapping[str, Any]) -> str:
    commit = environment.get("commit")
    return f"{commit}{'+' if environment.get('dirty') else ''}" if commit else ""
