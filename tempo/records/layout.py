"""Locate, read and write runs and plans in a folder of records, which holds each run once.

<root>/runs/<run_id>/      run.json, events.jsonl, clips-a<n>.parquet, gallery/, images/,
                           checkpoints/, attempts/<n>.log; test-clips-<rank>-a<n>.jsonl while
                           the test evaluation is not done; removed.json of what was removed
<root>/studies/<study>/    plans/<profile>.json, current, verdicts/<profile>.jsonl,
                           seeds/<profile>.jsonl
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tempo.core.errors import PathNameError, RecordError
from tempo.core.identity import folded, path_name
from tempo.core.records import Parent, Plan, RunSpec
from tempo.records.field_types import build
from tempo.records.files import (
    FORMAT,
    is_there,
    read_bytes,
    read_json,
    take_format,
    write_atomic,
    write_json,
)
from tempo.records.json_text import shown
from tempo.records.memory.derived_values import Source

SHORTEST_ID = 4
"""Characters of a run id that are enough to name the run."""


def default_root() -> Path:
    """Return `$TEMPO_RECORDS`, or `records` in the current folder."""
    return Path(os.environ.get("TEMPO_RECORDS", "records"))


def default_cache() -> Path:
    """The folder of decoded pictures: `$TEMPO_CACHE`, or `cache` in the current folder."""
    return Path(os.environ.get("TEMPO_CACHE", "cache"))


LONGEST_NAME = 1024
"""More bytes than the file `current` ever has."""


@dataclass(frozen=True, slots=True)
class Plans:
    """The current plans of the studies of a folder of records. `problems`: why others cannot be
    read, by study."""

    plans: tuple[Plan, ...]
    problems: Mapping[str, str]

    @property
    def left_out(self) -> str:
        """A sentence that counts and names the studies that cannot be read; empty without one."""
        if not self.problems:
            return ""
        studies = "study" if len(self.problems) == 1 else "studies"
        return f"{len(self.problems)} {studies} left out, which cannot be read: " + "; ".join(
            f"{shown(study)} ({why})" for study, why in self.problems.items()
        )


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of records."""

    root: Path

    def run_dir(self, run_id: str) -> Path:
        return self.root / "runs" / path_name(run_id, "run id")

    def study_dir(self, study: str) -> Path:
        return self.root / "studies" / path_name(study, "study")

    def save_plan(self, plan: Plan) -> None:
        """Keep the plan under its profile and make it the study's current one.

        Raises:
            RecordError: when the records hold a study whose name differs in upper and lower case
                alone, which some file systems take for the same.
        """
        self._tell_apart(plan.study)
        folder = self.study_dir(plan.study)
        profile = plan.profile_name
        write_json(folder / "plans" / f"{profile}.json", plan.to_json() | {"format": FORMAT})
        write_atomic(folder / "current", lambda file: file.write(f"{profile}\n".encode()))

    def load_plan(self, study: str, profile: str | None = None) -> Plan:
        """Read the plan of `study` under `profile`, or the one that was run last.

        Raises:
            RecordError: when there is none, naming the studies that are there, or when it is
                damaged.
        """
        if profile is not None:
            path_name(profile, "profile")
        folder = self.study_dir(study)
        if profile is None:
            profile = self._current(study)
        path = folder / "plans" / f"{profile}.json"
        if profile is None and study in self.studies():
            raise RecordError(
                f"the study {study!r} in {self.root} has not been planned to its end, so none of "
                f"its profiles is the current one ({folder / 'current'} is missing): run it, or "
                f"choose one with --profile ({', '.join(self._profiles(study)) or 'there is none'})"
            )
        if profile is None or not is_there(path):
            known = ", ".join(self.studies()) or "none"
            under = f" under profile {profile!r}" if profile else ""
            raise RecordError(f"no study {study!r}{under} in {self.root} (known: {known})")
        return read_plan(path)

    def _current(self, study: str) -> str | None:
        """Return the profile that was run last; None when the study is not recorded."""
        path = self.study_dir(study) / "current"
        try:
            if not is_there(path):
                return None
            name = path_name(read_bytes(path, LONGEST_NAME).decode().strip(), "profile")
        except UnicodeDecodeError:
            problem = f"{path} is no UTF-8"
        except PathNameError as error:
            problem = f"in {path}, {error}"
        except RecordError as error:
            problem = str(error)
        else:
            known = self._profiles(study)
            if name in known or not known:
                return name if name in known else None
            problem = f"{path} says {shown(name)}"
        known = self._profiles(study)
        raise RecordError(
            f"{problem}, so it does not tell which plan of {study!r} was run last; choose one with "
            f"--profile ({', '.join(known) or 'there is none'}), or run the study again"
        )

    def _profiles(self, study: str) -> list[str]:
        return sorted(path.stem for path in (self.study_dir(study) / "plans").glob("*.json"))

    def load_plans(self) -> Plans:
        """Read the current plan of each study; those that cannot be read are left out and named."""
        plans, problems = [], {}
        for study in self.studies():
            try:
                plans.append(self.load_plan(study))
            except (RecordError, ValueError) as error:
                problems[study] = str(error)
        return Plans(tuple(plans), problems)

    def _tell_apart(self, study: str) -> None:
        alike = [name for name in self.studies() if folded(name) == folded(study) and name != study]
        if alike:
            raise RecordError(
                f"{self.root} holds a study {alike[0]!r}, and {study!r} differs from that name in "
                "upper and lower case alone: give the study another name, or use other records "
                "(--records)"
            )

    def studies(self) -> list[str]:
        """List the studies that have a plan."""
        return sorted(path.parent.name for path in self.root.glob("studies/*/plans"))

    def save_run(self, spec: RunSpec) -> Path:
        """Write `run.json`, unless it says the same already; returns the run's folder.

        Two specs with one run_id differ in nothing but `runtime` and other fields that cannot
        change the result, so the newer one may replace the older.
        """
        folder = self.run_dir(spec.run_id)
        path = folder / "run.json"
        if not _says(folder, spec):
            write_json(path, spec.to_json() | {"format": FORMAT})
        return folder


def _says(folder: Path, spec: RunSpec) -> bool:
    """Tell whether `run.json` says what `spec` does; a damaged one is written again."""
    try:
        return load_run(folder) == spec
    except RecordError:
        return False


def root_of(folder: Path) -> Path:
    """Return the folder of all records that a run's folder is in; itself when it is in none."""
    return folder.parent.parent if folder.parent.name == "runs" else folder


def read_plan(path: Path) -> Plan:
    """Read the plan in a file of a study's folder `plans`.

    Raises:
        RecordError: when it is absent or damaged.
        FormatError: when a newer version of Tempo wrote it.
    """
    try:
        plan = build(Plan, take_format(read_json(path), path))
        _check_plan(plan)
    except ValueError as error:
        raise RecordError(f"{path} is no plan of a study: {error}") from error
    return plan


_MARKS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that control a terminal, which no name holds."""


def _check_plan(plan: Plan) -> None:
    """Hold what a plan says in one place against what it says in another.

    Raises:
        ValueError: naming what does not fit.
    """
    path_name(plan.study, "study")
    path_name(plan.profile_name, "profile")
    variants = {variant.name for variant in plan.variants}
    labels = {text for each in plan.variants for pair in each.levels.items() for text in pair}
    for name in variants | labels:
        if (name in variants and not 0 < len(name) <= LONGEST_NAME) or _MARKS.search(name):
            raise ValueError(f"{shown(name)} is no name of a variant, a factor or a level")
    if plan.baseline is not None and plan.baseline not in variants:
        raise ValueError(f"its baseline {shown(plan.baseline)} is none of its variants")
    for run in plan.runs:
        if run.variant not in variants:
            raise ValueError(f"a run is of variant {shown(run.variant)}, which it does not have")
        _check_ids(run.run_id, run.parents)
    try:
        _ = plan.stages
    except (KeyError, TypeError) as error:
        raise ValueError("its seeds are no stages of adaptive seeds") from error


def load_run(folder: Path) -> RunSpec:
    """Read the RunSpec in a run's folder.

    Raises:
        RecordError: when the folder holds no run, or it is damaged.
        FormatError: when a newer version of Tempo wrote it.
    """
    path = folder / "run.json"
    if not is_there(path):
        raise RecordError(f"{folder} holds no run (run.json is missing)")
    source = Source(path)
    if (kept := source.recall("spec")) is not None:
        with suppress(AttributeError, TypeError, ValueError):
            return RunSpec.from_json(json.loads(kept))
    try:
        spec = build(RunSpec, take_format(read_json(path), path))
        _check_ids(spec.run_id, spec.parents)
    except ValueError as error:
        raise RecordError(f"{path} is damaged: {error}") from error
    source.keep("spec", json.dumps(spec.to_json()).encode())
    return spec


def _check_ids(run_id: str, parents: Iterable[Parent]) -> None:
    """Raise a ValueError for an id, of a run or of one that it builds on, that is no folder's."""
    for each in (run_id, *(parent.run_id for parent in parents)):
        if each is not None:
            path_name(each, "run id")
