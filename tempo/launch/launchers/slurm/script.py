"""The batch script of a job array: every task of it carries out one run.

The command of a task is never part of the script: it lies in a file of words that end in NUL
bytes, which no argument can hold, so nothing is quoted and nothing can be misread.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, Resources
from tempo.core.torchrun_command import RENDEZVOUS
from tempo.launch.launchers.slurm.options import Placement, directive, options

HEAD = 3
"""Words of a task before those of its command: folder to run in, log, words of the command."""

RESTARTS = "SLURM_RESTART_COUNT"
"""How often Slurm has begun this job again; unset the first time."""

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
class Array:
    """A job array to submit.

    Attributes:
        folder: holds its tasks and Slurm's own messages.
        name: equal for arrays of the same runs, so that a second one waits for the first.
        size: tasks; at most `throttle` of them are in flight.
        fields: words of each task in the file of tasks.
        notice: seconds between the warning and the end of a job.
        after: an array that has to end first.
    """

    folder: Path
    name: str
    size: int
    fields: int
    resources: Resources
    placement: Placement
    notice: int
    throttle: int | None = None
    setup: Sequence[str] = ()
    after: str | None = None


def tasks_file(folder: Path) -> Path:
    return folder / "tasks"


def task_words(jobs: Sequence[JobSpec], directory: Path) -> tuple[int, bytes]:
    """How many words each task has, and the words of all tasks, each ended by a NUL byte.

    Raises:
        ValueError: for a word that holds a NUL byte.
    """
    fields = HEAD + max(len(job.argv) for job in jobs)
    words: list[str] = []
    for job in jobs:
        task = [str(directory), str(directory / job.log), str(len(job.argv)), *job.argv]
        words += task + [""] * (fields - len(task))
    if any("\0" in word for word in words):
        raise ValueError("no argument of a program can hold a NUL byte")
    return fields, "".join(f"{word}\0" for word in words).encode("utf-8", "surrogateescape")


def render(array: Array) -> str:
    """The batch script, as it is submitted."""
    parts = [
        "#!/bin/bash",
        *_directives(array),
        "",
        *array.setup,
        "set -u",
        READ_TASK.format(
            fields=array.fields, tasks=shlex.quote(str(tasks_file(array.folder))), head=HEAD
        ),
    ]
    if array.resources.nodes > 1:
        parts.append(
            MEET.format(
                variable=RENDEZVOUS,
                nodes=array.resources.nodes,
                cpus=array.resources.cpus,
                wait=array.notice,
            )
        )
    # srun hands USR2 on to the nodes; TERM makes it end them at once.
    notice = "USR2" if array.resources.nodes > 1 else "TERM"
    parts.append(CARRY_OUT.format(resumable=RESUMABLE, busy=BUSY, signal=notice))
    return "\n".join(parts)


def _directives(array: Array) -> list[str]:
    throttle = f"%{array.throttle}" if array.throttle else ""
    dependency = "singleton" + (f",afterany:{array.after}" if array.after else "")
    messages = str(array.folder / "slurm-").replace("%", "%%") + "%a.out"
    return [
        directive("job-name", array.name),
        directive("array", f"0-{array.size - 1}{throttle}"),
        directive("dependency", dependency),
        *(directive(name, value) for name, value in options(array.resources, array.placement)),
        directive("signal", f"B:USR2@{array.notice}"),
        directive("requeue"),
        directive("open-mode", "append"),
        directive("output", messages),
        directive("comment", f"tempo:{array.folder.name}"),
    ]
