"""What a job asks Slurm for, as options of sbatch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tempo.core.errors import SpecError
from tempo.core.jobs import Resources

OURS = [
    "array",
    "chdir",
    "comment",
    "cpus-per-task",
    "dependency",
    "error",
    "export",
    "gpus",
    "gpus-per-node",
    "gpus-per-task",
    "gres",
    "job-name",
    "mem",
    "nodes",
    "no-requeue",
    "ntasks",
    "ntasks-per-node",
    "open-mode",
    "output",
    "parsable",
    "requeue",
    "signal",
    "time",
    "wait",
    "wrap",
]
"""Options of sbatch that Tempo sets itself: `resources.extra` cannot."""

_NAME = re.compile(r"^[a-z][a-z0-9-]*$")
_PLAIN = re.compile(r"^[A-Za-z0-9_./:=@%,+\[\]&|-]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where on a cluster jobs go: what `tempo.core.jobs.Resources` do not say."""

    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    gpu_type: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def check_extra(extra: Mapping[str, str]) -> None:
    """Raises:
    ValueError: for an option that is none of sbatch's long ones, or that Tempo sets itself.
    """
    for name, value in extra.items():
        if not _NAME.match(name):
            raise ValueError(f"{name!r} is not a long option of sbatch, as in `qos: high`")
        if name in OURS:
            raise ValueError(f"{name!r} is set by Tempo (as are {', '.join(OURS)})")
        if "\n" in value:
            raise ValueError(f"the value of {name!r} holds a line break")


def minutes(seconds: int) -> str:
    """Slurm's D-HH:MM:SS; it counts whole minutes, so seconds are kept."""
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def options(resources: Resources, placement: Placement) -> list[tuple[str, str]]:
    """The long options of sbatch and their values, in the order a person would read them.

    Raises:
        SpecError: when `extra` holds an option that Tempo sets itself.
    """
    try:
        check_extra(placement.extra)
    except ValueError as error:
        raise SpecError(f"resources.extra: {error}") from None
    wanted = [
        ("partition", placement.partition),
        ("account", placement.account),
        ("constraint", placement.constraint),
        ("nodes", str(resources.nodes)),
        ("ntasks-per-node", "1"),
        ("cpus-per-task", str(resources.cpus)),
        ("gres", _gpus(resources.gpus_per_node, placement.gpu_type)),
        ("mem", f"{resources.mem_mb}M" if resources.mem_mb else None),
        ("time", minutes(resources.time_s) if resources.time_s else None),
        *placement.extra.items(),
    ]
    return [(name, value) for name, value in wanted if value is not None]


def _gpus(count: int, kind: str | None) -> str | None:
    if not count:
        return None
    return f"gpu:{kind}:{count}" if kind else f"gpu:{count}"


def directive(name: str, value: str = "") -> str:
    """One `#SBATCH` line. Slurm reads quotes and backslashes there, and no variables.

    Raises:
        ValueError: for a value with a line break, which such a line cannot hold.
    """
    if "\n" in value:
        raise ValueError(f"--{name} cannot hold a line break: {value!r}")
    if not value:
        return f"#SBATCH --{name}"
    if not _PLAIN.match(value):
        value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"#SBATCH --{name}={value}"
