"""Hold the options of a study's execution, as the API and the command line set them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tempo.records.layout import Store, default_cache, default_root

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
            debugger), `torchrun` (a fresh torchrun for each run) or `slurm`.
        slots: runs side by side; None: one for each device.
        ddp: processes per run.
        fail_fast: stop at the first failed run.
        reuse_stale: take results that other code made, instead of making them again.
        wait: stay until a cluster's queue is done; otherwise submit and return.
        scratch: a node's own disk, to which the cache is copied first.
        mlflow: the MLflow store; None: the SQLite file beside the records; `off`: no mirror.
        mlflow_checkpoints: send the best and last checkpoint up to this size in MiB; 0: none.
        wandb: write ended runs as offline runs of Weights & Biases too.
        command: what a user gives to continue, as messages and records quote it.
        overrides: the overrides of the spec, as an invocation notes them.

    >>> from tempo.workflow.run_options import RunOptions
    >>> RunOptions(slots=2, mlflow="off").launcher
    'local'
    """

    records: Path = field(default_factory=default_root)
    reports: Path = Path("reports")
    cache: Path = field(default_factory=default_cache)
    launcher: str = "local"
    slots: int | None = None
    ddp: int = 1
    fail_fast: bool = False
    reuse_stale: bool = False
    wait: bool = False
    scratch: str | None = None
    mlflow: str | None = None
    mlflow_checkpoints: float = 0.0
    wandb: bool = False
    command: str = ""
    overrides: tuple[str, ...] = ()

    @property
    def store(self) -> Store:
        """The records."""
        return Store(self.records)
