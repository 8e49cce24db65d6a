"""Locate, read and write runs and plans in a folder of records, which holds each run once.

<root>/runs/<run_id>/      run.json, events.jsonl, clips-a<n>.parquet, gallery/, images/,
                           checkpoints/, attempts/<n>.log; test-clips-<rank>-a<n>.jsonl while
                           the test evaluation is not done
<root>/studies/<study>/    plans/<profile>.json, current, verdicts/<profile>.jsonl,
                           seeds/<profile>.jsonl
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tempo.core.errors import RecordError
from tempo.core.identity import folded, path_name
from tempo.core.records import Plan, RunSpec
from tempo.records.files import FORMAT, take_format, write_atomic, write_json

SHORTEST_ID = 4
"""Characters of a run id that are enough to name the run."""


def default_root() -> Path:
    """Return `$TEMPO_RECORDS`, or `records` in the current folder."""
    return Path(os.environ.get("TEMPO_RECORDS", "records"))


def default_cache() -> Path:
    """The folder of decoded pictures: `$TEMPO_CACHE`, or `cache` in the current folder."""
    return Path(os.environ.get("TEMPO_CACHE", "cache"))


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
            RecordError: when there is none; names the studies that are there.
        """
        if profile is not None:
            path_name(profile, "profile")
        folder = self.study_dir(study)
        if profile is None and (folder / "current").is_file():
            profile = (folder / "current").read_text().strip()
        path = folder / "plans" / f"{profile}.json"
        if not path.is_file():
            known = ", ".join(self.studies()) or "none"
            under = f" under profile {profile!r}" if profile else ""
            raise RecordError(f"no study {study!r}{under} in {self.root} (known: {known})")
        return read_plan(path)

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
        if not path.is_file() or load_run(folder) != spec:
            write_json(path, spec.to_json() | {"format": FORMAT})
        return folder


def root_of(folder: Path) -> Path:
    """Return the folder of all records that a run's folder is in; itself when it is in none."""
    return folder.parent.parent if folder.parent.name == "runs" else folder


def read_plan(path: Path) -> Plan:
    """Read the plan in a file of a study's folder `plans`.

    Raises:
        FormatError: when a newer version of Tempo wrote it.
    """
    return Plan.from_json(take_format(json.loads(path.read_text()), path))


def load_run(folder: Path) -> RunSpec:
    """Read the RunSpec in a run's folder.

    Raises:
        RecordError: when the folder holds no run.
        FormatError: when a newer version of Tempo wrote it.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise RecordError(f"{folder} holds no run (run.json is missing)")
    return RunSpec.from_json(take_format(json.loads(path.read_text()), path))
