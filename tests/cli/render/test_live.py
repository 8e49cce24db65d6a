"""The live view: a row for every running run, in terminals of any size."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tempo.cli.render.live import ConsoleObserver, TerminalObserver
from tempo.cli.render.live_display import Display, Head, Task
from tempo.cli.render.run_changes import Changes
from tempo.core.records import PlannedRun, RunSpec, RunStatus
from tempo.launch.scheduling.run_view import RunRequest, RunView
from tempo.records.event_log import Tail
from tempo.records.events import Finished
from tempo.records.progress import Progress

LONG = "attention=squeeze_and_excitation rate=a_{}_learning_rate"


def view(
    variant: str, seed: int = 0, *, step: int = 40, status: RunStatus = RunStatus.RUNNING
) -> RunView:
    run = PlannedRun(run_id=f"{hash(variant) % 10**8:08d}{seed:04d}", variant=variant, seed=seed)
    spec = RunSpec(run_id=run.run_id, config={}, seed=seed)
    tail = Tail(Path("nowhere"))
    tail.progress = Progress(
        attempt=1,
        step=step,
        total=400,
        started=0.0,
        updated=float(step) / 8,
        curve={step: {"psnr": 31.256}},
    )
    return RunView(
        request=RunRequest(run=run, spec=spec), tail=tail, status=status, position=0, replicate=0
    )


def drawn(runs: list[RunView], width: int, height: int = 24) -> list[str]:
    """The lines of the display, as a terminal without colours shows them."""
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=False)
    display = Display(console)
    display._head = Head(0.25, ["3 of 12 runs complete", "ETA 0:04:10", "0:01:00 so far"])
    display._runs = runs
    console.print(display)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_running_run_is_missing_and_step_metric_and_eta_are_whole(width: int) -> None:
    runs = [view(LONG.format("high")), view(LONG.format("usual"), step=0), view("V2", step=400)]
    runs[1].tail.progress.curve = {}
    head, *rows = drawn(runs, width)
    assert "3 of 12 runs complete" in head
    assert len(rows) == (4 if width == 60 else 3)
    rows = rows[-3:]
    assert max(map(len, rows)) <= width
    assert "40/400" in rows[0] and "val 31.26 dB" in rows[0] and "ETA 0:00:45" in rows[0]
    assert "0/400" in rows[1] and "ETA -" in rows[1]
    assert rows[2].startswith("V2 s0") and "400/400" in rows[2]
    assert len({row.split()[0] for row in rows}) == 3 or "rate=" in rows[0]


def test_rate_and_place_come_with_the_width() -> None:
    run = view(LONG.format("high"))
    run.where = "node17"
    assert "it/s" not in drawn([run], 70)[-1]
    assert "8.0 it/s" in drawn([run], 160)[-1] and "node17" in drawn([run], 160)[-1]


def test_more_runs_than_lines_are_counted() -> None:
    lines = drawn([view(f"v{n}") for n in range(40)], 80, height=20)
    assert len(lines) <= 17
    shown = sum(line.startswith("v") for line in lines)
    assert lines[-1] == f"and {40 - shown} more running runs"


def test_the_head_goes_on_in_the_next_line_instead_of_being_cut() -> None:
    console = Console(width=40, file=io.StringIO())
    display = Display(console)
    parts = ["stopping: checkpoints are being written", "trial 5 of 16", "ETA at most 0:10:00"]
    display._head = Head(0.5, parts)
    console.print(display)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(part in text for part in parts)


def test_a_preparation_keeps_its_eta() -> None:
    console = Console(width=50, file=io.StringIO())
    display = Display(console)
    display._task = Task("judging a_long_method_name on snu_film_hard", 0.5, "12 of 24 clips", 61.0)
    console.print(display)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "12 of 24 clips" in text and "ETA 0:01:01" in text and len(text.splitlines()) == 1


def terminal(width: int = 80) -> tuple[TerminalObserver, io.StringIO]:
    text = io.StringIO()
    console = Console(width=width, height=24, file=text, force_terminal=True, color_system=None)
    return TerminalObserver(console), text


def test_the_terminal_says_the_stage_and_an_eta_of_all_that_may_follow() -> None:
    observer, text = terminal()
    observer.to_come(6, "trial 5 of 16")
    observer.runs_changed([view("a"), view("b")], 2, stopping=False)
    observer.runs_over()
    said = text.getvalue()
    # 50 s a run at 8 steps a second: 45 s are left of two runs, and 6 more on 2 slots.
    assert "trial 5 of 16" in said
    assert "ETA at most 0:03:15" in said


def test_a_change_fits_into_a_line_and_names_stay_apart() -> None:
    views = [view(LONG.format(word), status=RunStatus.COMPLETE) for word in ("high", "usual")]
    for each in views:
        each.tail.progress.finish = Finished(
            status="complete", step=400, seconds=61.0, train_seconds=60.0, peak_memory=0
        )
    first, second = Changes(lambda: 80).since(views)
    assert first != second
    assert max(len(first), len(second)) <= 80
    assert first.startswith("complete  attention=") and first.endswith("validation PSNR 31.26 dB")
    assert Changes().since(views)[0].startswith(f"complete  {LONG.format('high')} s0 in 0:01:01")


def test_a_lost_worker_is_told_once_each_time() -> None:
    changes, run = Changes(lambda: 80), view("a")
    assert changes.since([run]) == [f"started   a s0 ({run.key})"]
    run.losses += ("the lease of x could not be renewed; the run is tried again",)
    run.status = RunStatus.PLANNED
    assert changes.since([run]) == [
        "lost      a s0: the lease of x could not be renewed; the run is tried again"
    ]
    assert changes.since([run]) == []
    run.status = RunStatus.RUNNING
    assert changes.since([run]) == [f"started   a s0 ({run.key})"]


def test_a_worker_that_falls_silent_is_told_and_so_is_its_return() -> None:
    changes, run = Changes(), view("a")
    changes.since([run])
    run.silent = "its worker is frozen: its lease ended 2 s ago"
    assert changes.since([run]) == [
        "silent    a s0: its worker is frozen: its lease ended 2 s ago; should it not go on, end "
        "that process, and the run is tried again"
    ]
    run.silent = "its worker is frozen: its lease ended 3 s ago"
    assert changes.since([run]) == []
    run.silent = ""
    assert changes.since([run]) == ["running   a s0 again: its worker renewed its lease"]
    assert changes.since([run]) == []


def test_a_run_that_is_asked_to_stop_does_not_start_again() -> None:
    changes, run = Changes(), view("a")
    changes.since([run])
    run.withdrawn = True
    assert changes.since([run]) == ["stopping  a s0, as was asked"]
    run.status = RunStatus.STOPPED
    assert changes.since([run]) == ["stopped   a s0 at step 40"]


def test_plain_lines_break_nowhere() -> None:
    text = io.StringIO()
    observer = ConsoleObserver(Console(file=text, width=40))
    sentence = "a sentence that is longer than the forty columns of this file"
    observer.note(sentence)
    assert text.getvalue() == f"{sentence}\n"


def test_sentences_break_between_words_and_commands_stay_whole() -> None:
    observer, text = terminal(40)
    observer.note("a sentence that is longer than the forty columns of this terminal")
    observer.note("  tempo run a/spec/with/a/long/name.yaml --profile demo")
    lines = text.getvalue().splitlines()
    assert lines[:2] == ["a sentence that is longer than the forty", "columns of this terminal"]
    assert lines[2:] == ["  tempo run a/spec/with/a/long/name.yaml --profile demo"]
