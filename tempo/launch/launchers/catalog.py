"""The launchers by name, each built from its part of what a study can say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tempo.core.catalog import Catalog
from tempo.core.jobs import Launcher
from tempo.launch.launchers.inline import InlineLauncher
from tempo.launch.launchers.local import LocalLauncher
from tempo.launch.launchers.slurm.commands import Slurm
from tempo.launch.launchers.slurm.launcher import SlurmLauncher, SlurmPolicy
from tempo.launch.launchers.torchrun import TorchrunLauncher
from tempo.launch.launchers.worker_processes import Start, spawn


def _quiet(text: str) -> None:
    return


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What launchers are built from; each takes what it needs.

    Attributes:
        entry: the command line's main function, for what runs in this process.
        stopped: called when a run in this process left on request.
        slots: the environment of each run that this machine takes side by side.
        start: how a process of this machine is started.
        submissions: folder for what a cluster is given, shared by its nodes.
        manner: how a study uses a cluster.
        patience: seconds to wait for a cluster's answer.
        say: hears what a person should know.
    """

    entry: Callable[[Sequence[str]], int]
    stopped: Callable[[], None] = _nothing
    slots: Sequence[Mapping[str, str]] = ({},)
    start: Start = spawn
    submissions: Path = Path("records/slurm")
    manner: SlurmPolicy = field(default_factory=lambda: SlurmPolicy(study="study"))
    patience: float = 30.0
    say: Callable[[str], None] = _quiet


def _inline(setting: Setting) -> Launcher:
    return InlineLauncher(setting.entry, setting.stopped)


def _local(setting: Setting) -> Launcher:
    return LocalLauncher(setting.slots, setting.start)


def _torchrun(setting: Setting) -> Launcher:
    return TorchrunLauncher(setting.slots)


def _slurm(setting: Setting) -> SlurmLauncher:
    slurm = Slurm(setting.patience)
    slurm.check()
    return SlurmLauncher(setting.submissions, setting.manner, slurm, setting.say)


LAUNCHERS: Catalog[Callable[[Setting], Launcher]] = Catalog(
    "launcher",
    {"local": _local, "inline": _inline, "torchrun": _torchrun, "slurm": _slurm},
)
"""What `--launcher` chooses from."""
