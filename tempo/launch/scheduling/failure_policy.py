"""What follows from a failure, by its class."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tempo.core.records import RunStatus
from tempo.records.run_record import RunRecord

RETRIES = 2
"""How often a run is begun again after its worker, or the node below it, was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`retries`: how often to try again, somewhere else where there is a choice. `holds_back`:
    whether runs that would fail alike are not begun. `why` is said with the failure."""

    retries: int = 0
    holds_back: bool = False
    why: str = ""


FRUITLESS = 5
"""How often in a row a queue begins a run again that gets no step further."""

POLICIES: dict[str, Policy] = {
    "oom": Policy(why="the micro-batch was halved as far as it goes, a smaller one is not tried"),
    "non_finite": Policy(why="the guard of the recipe rolled back as often as it may"),
    "data": Policy(why="it would not find its data the next time either"),
    "node": Policy(retries=RETRIES),
    "lost": Policy(retries=RETRIES),
    "interrupted": Policy(retries=RETRIES),
    "bug": Policy(holds_back=True),
}
"""By the classes of `tempo.core.records.FAILURES`, and `lost`: a death that nobody recorded."""

_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_ERROR = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning))\b")


def signature(detail: str, message: str) -> str:
    """What two failures with one cause share: the kind of error and the line that raised it.

    Values in the message are left out, since they differ from run to run; without a traceback the
    message is all there is.
    """
    frames = _FRAME.findall(detail)
    kinds = [found["type"] for line in detail.splitlines() if (found := _ERROR.match(line))]
    if not frames:
        return message
    file, line = frames[-1]
    return f"{kinds[-1] if kinds else '?'} at {file}:{line}"


def fruitless(record: RunRecord, restarts: int) -> str | None:
    """Why a run whose queue began it `restarts` times again is not to be begun once more; None
    while it gets further. A new submission starts counting afresh."""
    last = [each.finish for each in record.attempts if each.finish is not None][-FRUITLESS:]
    if restarts < FRUITLESS or len(last) < FRUITLESS:
        return None
    stopped = all(finish.status == RunStatus.STOPPED for finish in last)
    if not stopped or last[-1].step > last[0].step:
        return None
    return (
        f"{FRUITLESS} attempts in a row were stopped before they got past step {last[-1].step}; "
        "give each of them more time (resources.time) and submit the study again"
    )
