"""Name the launchers, and build each from what a study offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tempo.core.catalog import Catalog
from tempo.core.jobs import Launcher
from tempo.core.plugins.parts import OpenCatalog
from tempo.launch.launchers.inline import InlineLauncher
from tempo.launch.launchers.local import LocalLauncher
from tempo.launch.launchers.ray.job_client import RayJobs
from tempo.launch.launchers.ray.launcher import RayLauncher
from tempo.launch.launchers.ray.request import RayPolicy
from tempo.launch.launchers.slurm.commands import Slurm
from tempo.launch.launchers.slurm.launcher import SlurmLauncher
from tempo.launch.launchers.slurm.script import SlurmPolicy
from tempo.launch.launchers.torchrun import TorchrunLauncher
from tempo.launch.launchers.worker_processes import Start, spawn
from tempo.launch.scheduling.slot_table import SlotTable
from tempo.launch.worker_command import call_worker


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherContext:
    """Holds what launchers are built from; each takes what it needs.

    Attributes:
        entry: the worker's main function, for runs in this process.
        stopped: called when a run in this process left on request.
        slots: the environment of each run that this machine takes side by side.
        natural: the slots that the machine has, where `slots` are fewer or more.
        table: the list of slots that all invocations on this machine share, if there is one.
        start: how a process of this machine is started.
        submissions: folder in which clusters' folders lie, shared by their nodes.
        slurm: how a study uses a Slurm cluster.
        ray: how a study uses a Ray cluster.
        ask: asks runs through the ledger to leave; None: there is no ledger.
        patience: seconds to wait for a cluster's answer.
        say: receives sentences for the user.
    """

    entry: Callable[[Sequence[str]], int] = call_worker
    stopped: Callable[[], None] = lambda: None
    slots: Sequence[Mapping[str, str]] = ({},)
    natural: Sequence[Mapping[str, str]] = ()
    table: SlotTable | None = None
    start: Start = spawn
    submissions: Path = Path("records")
    slurm: SlurmPolicy = field(default_factory=lambda: SlurmPolicy(study="study"))
    ray: RayPolicy = field(default_factory=lambda: RayPolicy(study="study"))
    ask: Callable[[Sequence[str]], None] | None = None
    patience: float = 30.0
    say: Callable[[str], None] = lambda text: None


def _slurm(context: LauncherContext) -> SlurmLauncher:
    slurm = Slurm(context.patience)
    slurm.check()
    return SlurmLauncher(context.submissions / "slurm", context.slurm, slurm, context.say)


def _ray(context: LauncherContext) -> RayLauncher:
    ray = RayJobs(context.ray.address, context.patience)
    ray.check()
    return RayLauncher(context.submissions / "ray", context.ray, ray, context.say, context.ask)


LAUNCHERS: Catalog[Callable[[LauncherContext], Launcher]] = OpenCatalog(
    "launcher",
    {
        "local": lambda context: LocalLauncher(
            context.slots, context.start, natural=context.natural, table=context.table
        ),
        "inline": lambda context: InlineLauncher(context.entry, context.stopped),
        "torchrun": lambda context: TorchrunLauncher(context.slots),
        "slurm": _slurm,
        "ray": _ray,
    },
)
"""What `--launcher` chooses from."""
