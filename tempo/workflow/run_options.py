"""Hold the options of a study's execution, as the API and the command line set them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from tempo.core.catalog import unknown
from tempo.core.errors import SpecError, UnknownNameError
from tempo.core.jobs import HIGHEST_PRIORITY
from tempo.records.layout import Store, default_cache, default_root

Options = TypeVar("Options")

MIRROR_OFF = "off"
"""The MLflow store of a study that is not mirrored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a study is carried out; nothing here changes a result.

    Attributes:
        records: folder of the records (default: `$TEMPO_RECORDS` or `records`).
        reports: folder of the reports.
        cache: folder of decoded pictures (default: `$TEMPO_CACHE` or `cache`).
        launcher: `local` (processes of this machine), `inline` (this very process, for a
            debugger), `torchrun` (a fresh torchrun for each run), `slurm` or `ray`.
        ray_address: the cluster of `ray`, as `http://HEAD:8265` (default: `$RAY_ADDRESS`, else the
            site profile's, else one on this machine).
        slots: runs side by side; None: one for each device.
        ddp: processes per run.
        priority: of these runs among all invocations on this machine; a higher one takes the next
            slot. The spec's `priority` of a variant is added.
        preempt: have runs of lower priority write a checkpoint and leave, where all slots are
            taken; they go on when slots are free.
        fail_fast: stop at the first failed run.
        reuse_stale: take results that other code made, instead of making them again.
        wait: stay until a cluster's queue is done; otherwise submit and return.
        checked: an earlier command checked this machine and every variant: begin at once.
        scratch: a node's own disk, to which the cache is copied first.
        mlflow: the MLflow store; None: the SQLite file beside the records; `off`: no mirror.
        mlflow_checkpoints: send the best and last checkpoint up to this size in MiB; 0: none.
        wandb: write ended runs as offline runs of Weights & Biases too.
        command: what a user gives to continue, as messages and records quote it.
        overrides: the overrides of the spec, as an invocation notes them.

    >>> from tempo.workflow.run_options import RunOptions
    >>> RunOptions(slots=2, priority=10, mlflow="off").launcher
    'local'
    """

    records: Path = field(default_factory=default_root)
    reports: Path = Path("reports")
    cache: Path = field(default_factory=default_cache)
    launcher: str = "local"
    ray_address: str | None = None
    slots: int | None = None
    ddp: int = 1
    priority: int = 0
    preempt: bool = False
    fail_fast: bool = False
    reuse_stale: bool = False
    wait: bool = False
    checked: bool = False
    scratch: str | None = None
    mlflow: str | None = None
    mlflow_checkpoints: float = 0.0
    wandb: bool = False
    command: str = ""
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("slots", "ddp"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if not (whole or (value is None and name == "slots")):
                raise SpecError(f"{name} is a whole number from 1, not {value!r}")

        if type(self.priority) is not int or abs(self.priority) > HIGHEST_PRIORITY:
            raise SpecError(
                f"priority is a whole number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}, not "
                f"{self.priority!r}"
            )

    @property
    def store(self) -> Store:
        """The records."""
        return Store(self.records)


def options_from(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """An options class filled from keywords, folders given as text or path.

    Raises:
        UnknownNameError: an option is called otherwise; names the options and the nearest one.
    """
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in names:
            raise UnknownNameError(unknown("option", name, names))
    folders = {"records", "reports", "cache"} & given.keys()
    return kind(**{**given, **{name: Path(given[name]) for name in folders}})
