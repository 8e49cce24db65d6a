"""Write the batch script of a job array, in which each task carries out one run.

The command of a task is never part of the script: it lies in a file of words that end in NUL
bytes, which no argument can hold, so nothing is quoted and nothing can be misread.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tempo.core.errors import SpecError
from tempo.core.identity import short_hash
from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, Resources
from tempo.core.torchrun_command import RENDEZVOUS

MARK = "tempo:"
"""Precedes the folder's name in the comment of a job."""

HEAD = 3
"""Words of a task before those of its command: folder to run in, log, words of the command."""

RESTARTS = "SLURM_RESTART_COUNT"
"""How often Slurm has restarted this job; unset the first time."""

READ_TASK = """\
# One task, one run. Its words: folder to run in, log, words of the command, the command.
mapfile -d '' -t -s "$((SLURM_ARRAY_TASK_ID * {fields}))" -n {fields} task < {tasks} || exit 1
cd "${{task[0]}}" || exit 1
command=("${{task[@]:{head}:${{task[2]}}}}")

# Each time Slurm starts the job again is another attempt, with a log of its own.
log=${{task[1]}} number=${{log##*/}} number=${{number%.log}}
if [[ $number =~ ^[0-9]+$ ]]; then
  log=${{log%/*}}/$((number + ${{SLURM_RESTART_COUNT:-0}})).log
fi
mkdir -p "${{log%/*}}" || exit 1
"""

MEET = """\
# One process per node starts that node's torchrun; they meet at the first node.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(scontrol --oneliner show node "$first" | sed -n 's/.* NodeAddr=\\([^ ]*\\) .*/\\1/p')
export {variable}="${{address:-$first}}:$((20000 + SLURM_JOB_ID % 20000))"
command=(srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --cpus-per-task={cpus} \\
  --kill-on-bad-exit=0 --wait={wait} --label "${{command[@]}}")
"""

CARRY_OUT = """\
# Pre-emption, the time limit and scancel let the worker write a checkpoint and leave.
asked='' interrupted='' child=''
forward() {{ interrupted=yes; if [ -n "$child" ]; then kill -s {signal} "$child" 2>/dev/null; fi; }}
on_notice() {{ asked=${{asked:-again}}; forward; }}
on_cancel() {{ asked=leave; forward; }}
trap on_notice USR2 TERM
trap on_cancel USR1

"${{command[@]}}" </dev/null >>"$log" 2>&1 &
child=$!
if [ -n "$asked" ]; then forward; fi
while true; do
  interrupted=''
  wait "$child"
  code=$?
  if [ -z "$interrupted" ]; then break; fi
done

# {resumable}: it left and can be resumed. {busy}: another worker still holds the run. Either way
# the job goes back into the queue, unless it was cancelled.
if {{ [ "$code" = {resumable} ] && [ "$asked" = again ]; }} ||
   {{ [ "$code" = {busy} ] && [ "$asked" != leave ]; }}; then
  # By its own name: the number of one task is also that of the whole array.
  me="${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
  case "$(squeue --noheader --jobs="$me" --format=%T)" in
    RUNNING | PREEMPTED) scontrol requeue "$me" ;;
  esac
fi
exit "$code"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where on a cluster jobs run: what `tempo.core.jobs.Resources` does not hold."""

    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    gpu_type: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmPolicy:
    """How a study uses a cluster.

    `throttle`: most jobs in flight; `notice`: seconds between the warning and the end of a job;
    `poll`: seconds between two queries of the queue; `setup`: shell lines run before each run.
    """

    study: str
    placement: Placement = field(default_factory=Placement)
    setup: Sequence[str] = ()
    throttle: int | None = None
    notice: int = 120
    poll: float = 10.0


def array_name(study: str, keys: Sequence[str]) -> str:
    """Return the job name: equal for equal runs, so that `singleton` lets one of them run."""
    return f"tempo-{study}-{short_hash(sorted(keys), 8)}"


def task_words(jobs: Sequence[JobSpec], directory: Path) -> bytes:
    """Return the words of all tasks, NUL-terminated, as many for each.

    Raises:
        ValueError: for a word that holds a NUL byte.
    """
    words: list[str] = []
    for job in jobs:
        task = [str(directory), str(directory / job.log), str(len(job.argv)), *job.argv]
        words += task + [""] * (_fields(jobs) - len(task))
    if any("\0" in word for word in words):
        raise ValueError("no argument of a program can hold a NUL byte")
    return "".join(f"{word}\0" for word in words).encode("utf-8", "surrogateescape")


def _fields(jobs: Sequence[JobSpec]) -> int:
    return HEAD + max(len(job.argv) for job in jobs)


def render(folder: Path, jobs: Sequence[JobSpec], policy: SlurmPolicy, after: str | None) -> str:
    """Return the text of the batch script of an array of `jobs`, whose resources are equal.

    `folder` holds its tasks and Slurm's own messages; the jobs `after`, joined by colons, have to
    end first, however they end.
    """
    needed, notice = jobs[0].resources, max(policy.notice, round(jobs[0].grace_s))
    throttle = f"%{policy.throttle}" if policy.throttle else ""
    messages = str(folder / "slurm-").replace("%", "%%") + "%a.out"
    lines = [
        "#!/bin/bash",
        directive("job-name", array_name(policy.study, [job.key for job in jobs])),
        directive("array", f"0-{len(jobs) - 1}{throttle}"),
        directive("dependency", "singleton" + (f",afterany:{after}" if after else "")),
        *(directive(name, value) for name, value in options(needed, policy.placement)),
        directive("signal", f"B:USR2@{notice}"),
        directive("requeue"),
        directive("open-mode", "append"),
        directive("output", messages),
        directive("comment", f"{MARK}{folder.name}"),
        "",
        *policy.setup,
        "set -u",
    ]
    tasks = shlex.quote(str(folder / "tasks"))
    lines.append(READ_TASK.format(fields=_fields(jobs), tasks=tasks, head=HEAD))
    nodes, cpus = needed.nodes, needed.cpus
    if nodes > 1:
        lines.append(MEET.format(variable=RENDEZVOUS, nodes=nodes, cpus=cpus, wait=notice))
    # srun hands USR2 on to the nodes; TERM makes it end them at once.
    signal = "USR2" if nodes > 1 else "TERM"
    lines.append(CARRY_OUT.format(resumable=RESUMABLE, busy=BUSY, signal=signal))
    return "\n".join(lines)


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


def check_extra(extra: Mapping[str, str]) -> None:
    """Raise a ValueError for an option that is no long one of sbatch, or that Tempo sets itself."""
    for name, value in extra.items():
        if not _NAME.match(name):
            raise ValueError(f"{name!r} is not a long option of sbatch, as in `qos: high`")
        if name in OURS:
            raise ValueError(f"{name!r} is set by Tempo (as are {', '.join(OURS)})")
        if "\n" in value:
            raise ValueError(f"the value of {name!r} holds a line break")


def minutes(seconds: int) -> str:
    """Format a duration as Slurm's D-HH:MM:SS."""
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def options(resources: Resources, placement: Placement) -> list[tuple[str, str]]:
    """Return the long options of sbatch with their values; a SpecError for a wrong `extra`."""
    try:
        check_extra(placement.extra)
    except ValueError as error:
        raise SpecError(f"resources.extra: {error}") from None
    gpus, kind = resources.gpus_per_node, f"{placement.gpu_type}:" if placement.gpu_type else ""
    wanted = [
        ("partition", placement.partition),
        ("account", placement.account),
        ("constraint", placement.constraint),
        ("nodes", str(resources.nodes)),
        ("ntasks-per-node", "1"),
        ("cpus-per-task", str(resources.cpus)),
        ("gres", f"gpu:{kind}{gpus}" if gpus else None),
        ("mem", f"{resources.mem_mb}M" if resources.mem_mb else None),
        ("time", minutes(resources.time_s) if resources.time_s else None),
        *placement.extra.items(),
    ]
    return [(name, value) for name, value in wanted if value is not None]


def directive(name: str, value: str = "") -> str:
    """Return one `#SBATCH` line, in which Slurm reads quotes and backslashes, but no variables.

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
