"""Show how the runs of a study stand: a headline, a row a run, what was lost or stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from tempo.cli.render.console import duration
from tempo.cli.render.fitted_table import FittedColumn, column, grid, lay_out
from tempo.core.counted import counted
from tempo.launch.study_status import UNREADABLE, RunState, StudyStatus
from tempo.records.seed_log import NOT_NEEDED, WAITING

MANY = 60
"""Runs that are all listed; of more, those that wait or are complete are only counted."""

UNOPENED = (WAITING, NOT_NEEDED)
"""States of runs that adaptive seeds do not ask for, or not yet."""

ORDER = ("running", "stopping", "failed", UNREADABLE, "stopped", "pruned", "planned", *UNOPENED)
QUIET = {"planned", "complete", *UNOPENED}
"""States that are counted and not listed, where there are many runs or few lines."""

STYLES = {
    "running": "cyan",
    "stopping": "yellow",
    "failed": "red",
    UNREADABLE: "red",
    "complete": "green",
}

LEAST_NAME = 16
"""Characters of a run's name before further columns get room."""

SHORT_ID = 6
"""Characters of an id where there is no room for the whole: enough to name a run by."""

MOST_LOST = 3
"""Lost attempts of a run that are told; the earlier ones are counted."""

FRAME_LINES = 4
"""Lines of a terminal that are no rows: what was typed, the headings, and what is left out."""


def headline(standing: StudyStatus) -> str:
    """Return `se_dilation (demo): 3 of 12 complete, 2 running, ETA 0:04:10`."""
    states = [run.state for run in standing.runs]
    counts = [f"{states.count(name)} {name}" for name in ORDER if name in states]
    wanted = sum(state not in UNOPENED for state in states)
    of = f"{states.count('complete')} of {wanted} complete"
    ahead = standing.to_come
    stage = [ahead.stage] if ahead.stage and ahead.runs else []
    lost = sum(len(run.progress.lost) for run in standing.runs)
    attempts = [f"{counted(lost, 'attempt')} lost"] if lost else []
    bound = "at most " if ahead.runs else ""
    eta = [] if standing.eta is None else [f"ETA {bound}{duration(standing.eta)}"]
    profile = f" ({standing.profile})" if standing.profile else ""
    return f"{standing.study}{profile}: " + ", ".join([of, *counts, *attempts, *stage, *eta])


class StatusTable:
    """The headline and a row a run, for the width of the terminal.

    Args:
        every: list all runs, also of more than `MANY`.
        lines: the lines there are, for a picture that is refreshed in place; None: as many as it
            takes.
    """

    def __init__(
        self, standing: StudyStatus, *, every: bool = False, lines: int | None = None
    ) -> None:
        self._standing, self._every, self._lines = standing, every, lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw headline, table, and how many runs the table leaves out."""
        head = Text(headline(self._standing), style="bold")
        yield head
        used = len(console.render_lines(head, options)) + FRAME_LINES
        listed = self._listed(None if self._lines is None else max(self._lines - used, 1))
        if listed:
            yield grid(lay_out(list(_columns(listed, self._standing)), options.max_width))
        left_out = len(self._standing.runs) - len(listed)
        if left_out:
            yield Text(f"{counted(left_out, 'more run')}, counted above (--all lists them)")

    def _listed(self, room: int | None) -> Sequence[RunState]:
        runs = self._standing.runs
        loud = [run for run in runs if run.state not in QUIET]
        if not self._every and len(runs) > MANY:
            runs = tuple(loud)
        if room is None or len(runs) <= room:
            return runs
        loud.sort(key=lambda run: ORDER.index(run.state))
        return loud[:room]


def _columns(runs: Sequence[RunState], standing: StudyStatus) -> Iterator[FittedColumn]:
    """Yield the columns; id and place are the first that are cut or left out."""
    about = [run.progress for run in runs]
    steps = [f"{p.step}/{p.total}" if p.total else "-" for p in about]
    ids = [run.run.run_id for run in runs]
    memory = ["-" if r.memory is None else f"{r.memory / 2**20:,.0f} MiB" for r in runs]
    yield column("run", [Text(run.run.title) for run in runs], least=LEAST_NAME, grow=3)
    yield FittedColumn(
        heading="id",
        forms=[(2, [Text(each[:SHORT_ID]) for each in ids]), (9, [Text(each) for each in ids])],
    )
    yield FittedColumn(
        heading="state",
        forms=[
            (0, [_state(run, run.state) for run in runs]),
            (5, [_state(run, _with_reason(run)) for run in runs]),
        ],
    )
    yield column("step", _texts(steps), kind="number")
    yield column(
        f"val {standing.metric}", _texts(_number(run.value) for run in runs), kind="number"
    )
    if standing.step is not None:
        common = _texts(_number(run.common) for run in runs)
        yield column(f"at {standing.step}", common, 1, kind="number")
    yield column("ETA", _texts(duration(run.eta) for run in runs), kind="number")
    yield column("attempt", _texts(str(p.attempt or "-") for p in about), 4, kind="number")
    yield column("memory", _texts(memory), 6, kind="number")
    yield column("device", _texts(run.device or "-" for run in runs), 7)
    yield column("where", _texts(run.where or "-" for run in runs), 8)


def _texts(texts: Iterable[str]) -> list[Text]:
    return [Text(each) for each in texts]


def _state(run: RunState, said: str) -> Text:
    return Text(said, style=STYLES.get(run.state, ""))


def _with_reason(run: RunState) -> str:
    return f"{run.state}: {run.why}" if run.why else run.state


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:#.4g}"


def troubles(standing: StudyStatus) -> Iterator[tuple[RunState, str]]:
    """Yield what happened to runs that failed, were stopped, or whose worker was lost."""
    for run in standing.runs:
        finish, title = run.progress.finish, run.run.title
        if run.problem:
            yield run, f"UNREADABLE  {title}: {run.problem}"
        elif run.state == "failed" and finish is not None:
            yield run, f"FAILED    {title} ({finish.failure}): {finish.message}"
        elif run.state == "stopped":
            yield run, f"stopped   {title} at step {run.progress.step}: {run.why}"
        if not run.problem and (lost := run.progress.lost):
            earlier = f"{counted(len(lost) - MOST_LOST, 'earlier attempt')} and "
            more = earlier if len(lost) > MOST_LOST else ""
            yield run, f"lost      {title}: {more}{'; '.join(map(str, lost[-MOST_LOST:]))}"
