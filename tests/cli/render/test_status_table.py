"""`tempo status` in terminals: step, metric and ETA are whole, the id is cut first."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tempo.cli.render.status_table import StatusTable, headline, troubles
from tempo.core.records import PlannedRun, RunStatus
from tempo.launch.study_status import RunState, StudyStatus
from tempo.launch.to_come import NOTHING, ToCome
from tempo.records.events import Finished
from tempo.records.progress import LostAttempt, Progress

LONG = "attention=squeeze_and_excitation rate=a_{}_learning_rate"


def state(
    variant: str, said: str = "running", *, why: str = "", finish: Finished | None = None
) -> RunState:
    run = PlannedRun(run_id="05f0735e7442", variant=variant, seed=0)
    status = RunStatus.PLANNED if said in {"waiting", "not needed"} else RunStatus(said)
    return RunState(
        run=run,
        status=status,
        state=said,
        progress=Progress(attempt=2, step=1240, total=4000, finish=finish),
        value=31.2564,
        common=31.1,
        eta=4210.0,
        device="NVIDIA H200",
        memory=2.0**34,
        where="a-node-of-a-cluster 31416",
        why=why,
    )


def standing(*runs: RunState, to_come: ToCome = NOTHING) -> StudyStatus:
    return StudyStatus(
        study="s",
        profile="demo",
        metric="psnr",
        step=1000,
        eta=4210.0,
        runs=runs,
        to_come=to_come,
    )


def drawn(found: StudyStatus, width: int, lines: int | None = None) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(StatusTable(found, lines=lines))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("width", "there", "not_there"),
    [
        (56, [], ["31416", "05f073"]),
        (80, ["05f073"], ["31416", "05f0735e7442"]),
        (100, ["05f073"], ["31416"]),
        (200, ["05f0735e7442", "a-node-of-a-cluster 31416"], []),
    ],
)
def test_id_and_place_go_first(width: int, there: list[str], not_there: list[str]) -> None:
    first, second = drawn(standing(*(state(LONG.format(w)) for w in ("high", "usual"))), width)[3:]
    for row in (first, second):
        assert len(row) <= width
        for cell in ("running", "1240/4000", "31.26", "1:10:10", *there):
            assert cell in row
        assert not any(cell in row for cell in not_there)
    assert first[: first.index("running")] != second[: second.index("running")]


def test_reasons_come_with_the_width() -> None:
    found = standing(state("a", "waiting", why="for the next look"))
    assert "waiting: for" not in drawn(found, 60)[-1]
    assert "waiting: for the next look" in drawn(found, 160)[-1]


def test_a_low_terminal_shows_what_moves_and_counts_the_rest() -> None:
    runs = [state(f"c{n}", "complete") for n in range(30)]
    runs += [state("bad", "failed"), *(state(f"r{n}") for n in range(20))]
    lines = drawn(standing(*runs), 80, lines=20)
    assert len(lines) <= 19
    rows = [line.split()[0] for line in lines[3:-1]]
    assert rows[:2] == ["r0", "r1"]
    assert lines[-1] == f"{51 - len(rows)} more runs, counted above (--all lists them)"
    assert "30 of 51 complete, 20 running, 1 failed" in lines[0]


def test_the_headline_covers_what_may_follow() -> None:
    found = standing(state("a"), to_come=ToCome(runs=12, stage="trial 5 of 16"))
    assert headline(found) == (
        "s (demo): 0 of 1 complete, 1 running, trial 5 of 16, ETA at most 1:10:10"
    )
    assert headline(standing(state("a"))) == "s (demo): 0 of 1 complete, 1 running, ETA 1:10:10"


def test_what_was_lost_stopped_or_failed_is_said() -> None:
    finish = Finished(
        status="failed",
        step=3,
        seconds=1.0,
        train_seconds=1.0,
        peak_memory=0,
        failure="oom",
        message="no memory",
    )
    lost = state("lost", "complete")
    lost.progress.lost = (
        LostAttempt(attempt=1, next_step=0),
        LostAttempt(attempt=2, why="the lease of x could not be renewed", next_step=8),
    )
    runs = [
        state("fine", "complete"),
        state("bad", "failed", finish=finish),
        state("halted", "stopped", why="stopped by SIGTERM; the work so far is kept"),
        lost,
    ]
    said = [sentence for _, sentence in troubles(standing(*runs))]
    assert said == [
        "FAILED    bad s0 (oom): no memory",
        "stopped   halted s0 at step 1240: stopped by SIGTERM; the work so far is kept",
        "lost      lost s0: attempt 1 was lost: it ended without a word (its worker died, froze or "
        "lost its lease), and the next one began again at step 0; attempt 2 was lost: the lease of "
        "x could not be renewed, and the next one went on from step 8",
    ]
    assert headline(standing(*runs)).startswith("s (demo): 2 of 4 complete, 1 failed, 1 stopped, 2")
    lost.progress.lost += (LostAttempt(attempt=3), LostAttempt(attempt=4))
    _, sentence = next(iter(troubles(standing(lost))))
    assert sentence.startswith("lost      lost s0: 1 earlier attempt and attempt 2 was lost: the")
