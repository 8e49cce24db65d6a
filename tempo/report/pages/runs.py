"""List the runs behind the numbers by variant, and what it takes to run the study again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import RunInfo
from tempo.core.config_diff import flatten
from tempo.core.own_command import page_command
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell, Column, words


@dataclass(frozen=True, slots=True)
class RunGroup:
    """The runs of one variant, trial or confirmation, one line of cells each.

    `anchor` is its id on the page; `about` says how the runs ended, `settings` what was set.
    """

    anchor: str
    name: str
    about: str
    runs: tuple[tuple[Cell, ...], ...]
    settings: str = ""


MLFLOW_PORT = 5001
"""The port of the short address of MLflow in the command that a page gives."""


@dataclass(frozen=True, slots=True)
class MlflowView:
    """The command that opens a study in MLflow, and the address where it stands then."""

    command: str
    address: str

    @classmethod
    def of(cls, study: str) -> MlflowView:
        """Return the view of a study on this machine."""
        return cls(
            page_command("ui", study, "--port", MLFLOW_PORT),
            f"http://127.0.0.1:{MLFLOW_PORT}/{quote(study, safe='', errors='replace')}",
        )


def run_columns(comparison: Comparison) -> tuple[Column, ...]:
    """Return the columns of the lists of runs."""
    split = "validation" if comparison.split == "val" else comparison.split
    metrics = [Column(f"{info.name}, {split}") for info in comparison.metrics]
    first = (*words("run"), Column("seed"), *words("status"), Column("step"), *words("checkpoint"))
    return (*first, *metrics, Column("time"), *words("device"), Column("attempts"), *words("ended"))


def run_groups(comparison: Comparison, page: Path | None = None) -> Iterator[RunGroup]:
    """Yield one group a row, in the order of the table.

    `page`: the folder of the page, from which each run links to its own folder.
    """
    by_variant: dict[str, list[RunInfo]] = {}
    for run in comparison.runs:
        by_variant.setdefault(run.variant, []).append(run)
    for place, row in enumerate(comparison.rows):
        runs = tuple(_cells(run, comparison, page) for run in by_variant.get(row.variant, ()))
        about = f"{len(runs)} run{'' if len(runs) == 1 else 's'}, {row.state}"
        yield RunGroup(f"v{place}", row.variant, about, runs)


def _cells(run: RunInfo, comparison: Comparison, page: Path | None) -> tuple[Cell, ...]:
    ended = numbers.MISSING
    if run.ended is not None:
        ended = datetime.fromtimestamp(run.ended, UTC).strftime("%Y-%m-%d %H:%M UTC")
    at = "" if run.checkpoint_step is None else f" at {run.checkpoint_step}"
    texts = (
        numbers.MISSING if run.seed is None else str(run.seed),
        run.status,
        f"{run.step}/{run.total_steps}" if run.total_steps else numbers.MISSING,
        f"{run.checkpoint}{at}",
        *(numbers.fixed(run.values.get(each.name), each.digits) for each in comparison.metrics),
        numbers.duration(run.train_seconds),
        str(run.environment.get("device", numbers.MISSING)),
        str(run.attempts),
        ended,
    )
    link = link_to(run.folder, page)
    return (Cell(run.run_id, link=link, hint=os.fspath(run.folder)), *map(Cell, texts))


def link_to(path: Path | None, page: Path | None) -> str:
    """Return a link from the folder of a page to a file or folder of this machine, or nothing.

    It is relative, so that it holds while both are moved together. What is not there gets none.
    """
    if path is None or page is None or not path.is_absolute() or not path.exists():
        return ""
    try:
        relative = os.path.relpath(path, page.absolute())
    except ValueError:  # another drive of Windows
        return ""
    return quote(Path(relative).as_posix(), safe="/") + ("/" if path.is_dir() else "")


def failure_links(comparison: Comparison, page: Path | None) -> dict[str, tuple[str, str]]:
    """Return, by id of a run that failed, the links to its folder and to its log."""
    return {
        each.run_id: (link_to(each.folder, page), link_to(each.log, page))
        for each in comparison.failures
    }


def command(source: str, profile: str | None) -> str:
    """Return the command that runs a study or search again, or continues one that was stopped."""
    return page_command("run", source, *(("--profile", profile) if profile else ()))


def resolved_spec(comparison: Comparison) -> str:
    """Return the resolved spec as YAML."""
    import yaml

    plain = json.loads(json.dumps(comparison.spec, default=str))
    spec: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=96)
    return spec


def environments(comparison: Comparison) -> dict[str, list[str]]:
    """Map each recorded property of the machines to the distinct values seen."""
    found: dict[str, dict[str, None]] = {}
    for run in comparison.runs:
        for key, value in flatten(run.environment).items():
            if value is not None and key not in {"pid", "host"}:
                found.setdefault(key, {})[str(value)] = None
    return {key: list(values) for key, values in sorted(found.items())}
